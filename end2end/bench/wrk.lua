-- For wrk: prints figures as JSON, and paces its connections where asked to.
--   wrk … -s wrk.lua URL [-- PAUSE]      PAUSE: mean milliseconds between an answer and the next request of a connection

function init(args)
  local pause = tonumber(args[1])
  if pause then
    math.randomseed(os.time())
    -- Uniform around the mean: connections that waited equally long would all ask at once.
    function delay() return math.random(pause * 0.5, pause * 1.5) end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"seconds":%.3f,"p50Us":%d,"p99Us":%d,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end

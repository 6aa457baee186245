// A dataset over HTTP, answered from memory: `headroom serve` against nginx and Varnish, which keep the same answers in
// their caches with the console as their origin. One core (or half of them) answers, the other runs wrk.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../lib/console.mjs";
import { cacheReport, has, output, ready, start, startServe, stop } from "./lib/stage.mjs";

const CONNECTIONS = 64;
/** Mean pause of a connection in the paced runs: 64 connections make about 3,000 requests a second. */
const PAUSE_MS = 20;
const PAYLOADS = [
  { name: "50 rows", path: "/api/v1/data/customers?country=DE" },
  { name: "one row", path: "/api/v1/data/product?id=1" },
];
const LOADS = [
  { name: "saturated", args: [] },
  { name: "paced", args: ["--", String(PAUSE_MS)] },
];
/** The console's own answers may live as long: nothing is loaded again while it is measured. */
const SETTINGS = `ttl = "1h"\nbeta = 0.0`;
/** Requests that may reach the origin while a proxy is measured: our own looks, and a first miss of each worker. */
const ORIGIN_MAX = 20;

const version = (program, flag) => {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: "utf8" });
  return /(\d+\.\d+(\.\d+)?)/.exec(`${stdout}${stderr}`)?.[1] ?? "of an unknown version";
};

async function startNginx(run, origin, cores) {
  const [folder, port] = [join(run.work, "nginx"), await freePort()];
  for (const part of ["", "cache", "body", "proxy", "other"]) mkdirSync(join(folder, part), { recursive: true });
  const workers = cores?.length ?? 1;
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off;
pid ${folder}/nginx.pid;
${process.getuid() === 0 ? "user root;" : ""}
worker_processes ${workers};
error_log ${folder}/error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  gzip off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/other;
  uwsgi_temp_path ${folder}/other;
  scgi_temp_path ${folder}/other;
  open_file_cache max=1000 inactive=1h;
  open_file_cache_valid 1h;
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=bench:10m inactive=1h use_temp_path=off;
  upstream console { server ${origin}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://console;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${origin};
      proxy_cache bench;
      proxy_cache_valid 200 1h;
      proxy_cache_lock on;
      proxy_ignore_headers Cache-Control Expires Vary Set-Cookie;
      add_header X-Cache-Status $upstream_cache_status;
    }
  }
}
`,
  );
  const args = ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")];
  return { child: start("nginx", args, { log: join(run.work, "nginx.log"), cores }), url: `http://127.0.0.1:${port}` };
}

async function startVarnish(run, origin, cores) {
  const [folder, port] = [join(run.work, "varnish"), await freePort()];
  mkdirSync(folder, { recursive: true });
  const [host, originPort] = origin.split(":");
  const file = join(folder, "bench.vcl");
  writeFileSync(
    file,
    `vcl 4.1;
backend console { .host = "${host}"; .port = "${originPort}"; }
sub vcl_recv { return (hash); }
# Without users the console answers nobody behind a proxy; this proxy is only a peer on the same machine.
sub vcl_backend_fetch {
  set bereq.http.Host = "${origin}";
  unset bereq.http.X-Forwarded-For;
  unset bereq.http.Via;
  return (fetch);
}
sub vcl_backend_response {
  unset beresp.http.Set-Cookie;
  set beresp.ttl = 1h;
  set beresp.uncacheable = false;
  return (deliver);
}
sub vcl_deliver { set resp.http.X-Cache-Status = "MISS"; if (obj.hits > 0) { set resp.http.X-Cache-Status = "HIT"; } }
`,
  );
  const args = ["-F", "-f", file, "-a", `127.0.0.1:${port}`, "-n", join(folder, "state"), "-s", "malloc,64m", "-j", "none"];
  args.push("-T", "none", "-p", "http_gzip_support=off");
  return { child: start("varnishd", args, { log: join(run.work, "varnish.log"), cores }), url: `http://127.0.0.1:${port}` };
}

/** One run of wrk. */
async function load(run, url, args, seconds) {
  const threads = String(run.cores.asking?.length ?? 1);
  const script = join(import.meta.dirname, "wrk.lua");
  const all = ["-t", threads, "-c", String(CONNECTIONS), "-d", `${seconds}s`, "-s", script, url, ...args];
  const text = await output("wrk", all, { cores: run.cores.asking, limitMs: (seconds + 20) * 1000 });
  const figures = JSON.parse(/^JSON (.*)$/m.exec(text)[1]);
  assert(figures.requests > 0, `${url} answered nothing`);
  return { ...figures, perSecond: figures.requests / figures.seconds };
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const hits = ({ counters }) => counters.hitsMemory;
const asked = ({ counters }) => counters.hitsMemory + counters.hitsRedis + counters.hitsStale + counters.misses;

export async function measure(run, demo) {
  if (!has("wrk")) return { missing: "wrk is not installed (Debian, Ubuntu: apt install wrk)" };
  const { answering } = run.cores;
  const serve = await startServe(run, demo, "http-serve", { space: "bench-http", settings: SETTINGS, cores: answering });
  const servers = [{ name: "Headroom", url: serve.url, child: serve.child, isHit: (headers) => headers.get("x-cache") === "L1" }];
  const absent = {};
  const versions = {};
  for (const [name, program, flag, startPeer] of [
    ["nginx", "nginx", "-v", startNginx],
    ["Varnish", "varnishd", "-V", startVarnish],
  ]) {
    if (!has(program)) {
      absent[name] = `${program} is not installed (Debian, Ubuntu: apt install ${name.toLowerCase()})`;
      continue;
    }
    versions[name] = version(program, flag);
    const peer = await startPeer(run, serve.listen, answering);
    await ready(peer.child, name, async () => (await fetch(`${peer.url}/api/v1/ready`)).ok);
    servers.push({ name, ...peer, isHit: (headers) => headers.get("x-cache-status") === "HIT" });
  }
  try {
    const [rounds, seconds] = run.quick ? [1, 1] : [7, 3];
    const rows = [];
    for (const payload of PAYLOADS) {
      const bodies = [];
      for (const server of servers) {
        const look = async () => {
          const answer = await fetch(server.url + payload.path, { headers: { "accept-encoding": "identity" } });
          const body = await answer.text();
          assert(answer.ok, `${server.name} answers ${answer.status}: ${body.slice(0, 300)}`);
          return { headers: answer.headers, body };
        };
        await look(); // fills the cache
        const { headers, body } = await look();
        assert(server.isHit(headers), `${server.name} does not answer from its cache`);
        bodies.push(body);
        await load(run, server.url + payload.path, [], 1); // warms up
      }
      assert(bodies.every((body) => body === bodies[0]), "the servers do not answer the same");
      const runs = servers.map(() => LOADS.map(() => []));
      for (let round = 0; round < rounds; round++) {
        for (let place = 0; place < servers.length; place++) {
          const which = (round + place) % servers.length;
          const server = servers[which];
          for (const [at, { name, args }] of LOADS.entries()) {
            run.say(`${payload.name}, ${name}, round ${round + 1} of ${rounds}: ${server.name}`);
            const before = await cacheReport(serve.url);
            const figures = await load(run, server.url + payload.path, args, seconds);
            const after = await cacheReport(serve.url);
            // wrk counts what it has read when its time is over; a request of each connection may still be under way.
            if (server === servers[0]) assert(hits(after) - hits(before) >= figures.requests, "an answer was no hit");
            else assert(asked(after) - asked(before) <= ORIGIN_MAX, `${server.name} asked its origin while it was measured`);
            runs[which][at].push(figures);
          }
        }
      }
      for (const [at, { name: load }] of LOADS.entries()) {
        const of = servers.map((server, which) => ({
          name: server.name,
          perSecond: median(runs[which][at].map((figures) => figures.perSecond)),
          p50Us: median(runs[which][at].map((figures) => figures.p50Us)),
          p99Us: median(runs[which][at].map((figures) => figures.p99Us)),
          errors: runs[which][at].reduce((sum, figures) => sum + figures.errors, 0),
        }));
        rows.push({ payload: payload.name, bytes: Buffer.byteLength(bodies[0]), load, servers: of });
      }
    }
    versions.wrk = /wrk\s+(?:debian\/)?(\S+)/.exec(spawnSync("wrk", ["-v"], { encoding: "utf8" }).stdout ?? "")?.[1];
    return { rows, absent, versions, connections: CONNECTIONS, seconds, rounds };
  } finally {
    for (const server of servers.reverse()) await stop(server.child);
  }
}

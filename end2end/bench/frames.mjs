// Frames a second on Trends while the pointer moves over it: eight charts of 1,500 points, from Chromium's own trace. Beside
// it the same lines as eight connected ECharts, in the same browser, which is how the other pages draw theirs.
//
//   node end2end/bench/frames.mjs <address of a console with a day of history>      prints the figures alone

import { findChromium, launch } from "../lib/chromium.mjs";
import { until } from "../lib/wait.mjs";

const METRICS = [
  "database.queries", "database.connections", "database.transactions", "database.rows_returned",
  "database.wal_bytes", "database.sessions_active", "redis.commands", "redis.memory",
];
const POINTS = 1500;
const VIEWPORT = { width: 1440, height: 2000 };

/** Moves the pointer across the page for a while, there and back, and answers the frames that were drawn meanwhile. */
async function traced(page, box, seconds) {
  const session = await page.context().newCDPSession(page);
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const done = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["disabled-by-default-devtools.timeline.frame"] },
  });
  const begun = performance.now();
  let moves = 0;
  while (performance.now() - begun < seconds * 1000) {
    const way = ((performance.now() - begun) / 2000) % 2;
    const share = way < 1 ? way : 2 - way;
    // Answered once the page has handled it: more moves than frames are merged by the browser.
    await page.mouse.move(box.x + share * box.width, box.y + box.height / 2);
    moves += 1;
  }
  await session.send("Tracing.end");
  await done;
  const frames = events.filter(({ name }) => name === "DrawFrame").map(({ ts }) => ts / 1000).sort((a, b) => a - b);
  if (frames.length < 2) throw new Error("the trace has no frames");
  const gaps = frames.slice(1).map((at, i) => at - frames[i]).sort((a, b) => a - b);
  return {
    perSecond: ((frames.length - 1) * 1000) / (frames.at(-1) - frames[0]),
    p95Ms: gaps[Math.floor(gaps.length * 0.95)],
    longestMs: gaps.at(-1),
    moves,
  };
}

/** Runs in the page: eight connected charts of ECharts with as many points, in a page of their own. */
async function mountPeers({ charts, points }) {
  const library = await import(document.querySelector('meta[name="asset-echarts"]').content);
  document.body.replaceChildren();
  library.connect("frames");
  for (let n = 0; n < charts; n += 1) {
    const element = document.body.appendChild(document.createElement("div"));
    element.style.cssText = "width:720px;height:128px;margin:60px 0 0 60px";
    const chart = library.init(element, undefined, { renderer: "svg" });
    chart.group = "frames";
    const data = Array.from({ length: points }, (_, i) => [i * 60_000, 100 + 30 * Math.sin(i / 40 + n) + 10 * Math.sin(i * 12.9898)]);
    chart.setOption({
      animation: false,
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      xAxis: { type: "time", show: false },
      yAxis: { type: "value", show: false },
      tooltip: { trigger: "axis", transitionDuration: 0, formatter: ([point]) => String(point.value[1].toFixed(1)) },
      series: [{ type: "line", showSymbol: false, data }],
    });
  }
}

/** Measures both. `demo` is a running console whose history holds 1,500 minutes. */
export async function measure({ quick, say = () => {} }, demo) {
  const chromium = findChromium();
  if (!chromium) return { missing: "Chromium is not installed" };
  const seconds = quick ? 2 : 8;
  // The demo brings its past in the background.
  await until("a day of history", async () => {
    const answer = await fetch(`${demo.url}/api/v1/trends.csv?from=now-${POINTS - 2}m&m=${METRICS[0]}`);
    return (await answer.text()).split("\r\n").filter((row) => /,\d/.test(row)).length >= POINTS * 0.99;
  }, { within: 300_000, every: 2000 });
  const browser = await launch(chromium);
  try {
    const context = await browser.newContext({ baseURL: demo.url, viewport: VIEWPORT, bypassCSP: true });
    const page = await context.newPage();
    const address = `/trends?from=now-${POINTS - 2}m&m=${METRICS.join("/")}`;
    say(`frames: ${address}`);
    await page.goto(address, { waitUntil: "load" });
    await page.getByRole("banner").getByRole("status").first().filter({ hasNotText: "Loaded" }).waitFor({ timeout: 120_000 });
    const points = await page.locator(".board .chart:not(.brush) path.ln").evaluateAll((all) =>
      all.map((line) => line.getAttribute("d").split(/[ML]/).length - 1));
    const plots = page.locator(".board .over:not(.brush-row *)");
    const box = await plots.nth(2).boundingBox();
    const ours = await traced(page, box, seconds);
    const charts = await plots.count();
    if (charts !== METRICS.length) return { missing: `${charts} charts are drawn, not ${METRICS.length}` };
    const fewest = Math.min(...points);
    await page.evaluate(mountPeers, { charts: METRICS.length, points: POINTS });
    await page.waitForTimeout(1000);
    const peers = await page.locator("svg").count();
    const theirs = await traced(page, { x: 60, y: 60 + 188 * 2, width: 720, height: 128 }, seconds);
    return { charts, points: fewest, peers, seconds, ours, theirs, chromium: browser.version() };
  } finally {
    await browser.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const url = process.argv[2];
  if (!url) throw new Error("give the address of a console");
  console.log(JSON.stringify(await measure({ quick: process.argv.includes("--quick"), say: console.error }, { url }), null, 2));
}

// Trends: zoom, window, comparison, lines, cursor, metrics, exports; the same view from its address, and without JavaScript.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { api, open, openAlive, picture } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const LATENCY = "database.query_latency_p99:database.query_latency_p95:database.query_latency_p50";

// A stretch that has points from its first half on and does not move.
let from, to;
before(async () => {
  await until("the history has points to draw", async () => {
    const { series } = await api("/api/v1/history?metric=database.connections&from=now-5m");
    return series[0].avg.filter((value) => value !== null).length >= 12;
  }, { within: 150_000, every: 1000 });
  to = Math.floor(Date.now() / 5000) * 5000 - 5000;
  from = to - 60_000;
});

const still = (more = "") => `/trends?from=${from}&to=${to}${more}`;
const param = (page, key) => new URL(page.url()).searchParams.get(key);
const paramBecomes = (page, key, want) =>
  until(`${key} is ${want}`, () => (want instanceof RegExp ? want.test(param(page, key) ?? "") : param(page, key) === want));
const charts = (page) => page.getByRole("region", { name: "Charts" });
const legend = (page, name) => charts(page).getByRole("table", { name: new RegExp(`^${name}`) });
const plot = async (page, n) => page.locator(".over:not(.brush-row *)").nth(n).boundingBox();
const lines = (page) => page.locator(".board .chart:not(.brush) path.ln").evaluateAll((all) => all.map((line) => line.getAttribute("d")));

test("the charts show figures, their step and one cursor", async (t) => {
  const page = await openAlive(t, still());
  await page.getByText(/one point each 5 s/).waitFor();
  for (const name of ["Query latency", "Throughput", "Cache hit rate", "Connections"]) {
    await charts(page).getByRole("heading", { level: 2, name, exact: true }).waitFor();
  }
  const box = await plot(page, 1);
  await page.mouse.move(box.x + box.width * 0.9, box.y + 20);
  await page.getByText(/^Cursor at \d\d:\d\d:\d\d/).waitFor();
  assert.equal(await page.locator(".over .cur:visible").count(), 4, "every chart has the cursor");
  const at = await legend(page, "Connections").locator("tbody td.at").first().innerText();
  assert.match(at, /^\d/);
  await paramBecomes(page, "cursor", /^\d{13}$/);
  assert.deepEqual(page.problems, []);
});

test("arrow keys move the cursor by points, with Shift by ten", async (t) => {
  const cursor = to - 10_000;
  const page = await openAlive(t, still(`&cursor=${cursor}`));
  await page.keyboard.press("ArrowLeft");
  await paramBecomes(page, "cursor", String(cursor - 5000));
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await paramBecomes(page, "cursor", String(cursor + 5000));
  await page.keyboard.press("Shift+ArrowLeft");
  await paramBecomes(page, "cursor", String(cursor - 45_000));
});

test("a drag zooms all charts, z zooms out", async (t) => {
  const page = await openAlive(t, still());
  const box = await plot(page, 2);
  await page.mouse.move(box.x + box.width * 0.25, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 30, { steps: 4 });
  assert.equal(await page.locator(".over .sel").count(), 4, "the stretch shows in every chart");
  await page.mouse.move(box.x + box.width * 0.75, box.y + 30, { steps: 2 });
  await page.mouse.up();
  await until("the range is the stretch", () => Number(param(page, "to")) < to);
  const length = Number(param(page, "to")) - Number(param(page, "from"));
  assert.ok(Math.abs(length - 30_000) < 1500, `half of a minute, not ${length} ms`);
  await page.keyboard.press("z");
  await until("twice as long", () => Math.abs(Number(param(page, "to")) - Number(param(page, "from")) - 2 * length) < 50);
  await page.goBack();
  await until("back in the stretch", () => Number(param(page, "to")) - Number(param(page, "from")) === length);
});

test("the window moves the range in time", async (t) => {
  const page = await openAlive(t, still());
  await page.locator(".over > .win").scrollIntoViewIfNeeded();
  const box = await page.locator(".over > .win").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 - box.width, box.y + 10, { steps: 4 });
  await page.mouse.up();
  await until("an earlier range", () => Number(param(page, "from")) < from - 50_000);
  const length = Number(param(page, "to")) - Number(param(page, "from"));
  assert.ok(Math.abs(length - 60_000) < 1000, `as long as before, not ${length} ms`);
  await page.getByRole("link", { name: "Later" }).click();
  // What reaches the present is written as that.
  await until("later again", () => param(page, "to") === "now" || Number(param(page, "from")) > from - 10_000);
});

test("a comparison is a dashed line, a row and a sentence", async (t) => {
  const page = await openAlive(t, `/trends?from=${to - 20_000}&to=${to}&m=database.connections`);
  await page.getByRole("link", { name: /^Previous 20 s/ }).click();
  await paramBecomes(page, "compare", "previous");
  await legend(page, "Connections in use").getByRole("row", { name: /previous 20/ }).waitFor();
  await page.locator(".board path.ln.prev").first().waitFor({ state: "attached" });
  await page.getByText(/^On average .*previous 20/).waitFor();
});

test("a click on a name hides its line, with Shift the others", async (t) => {
  const page = await openAlive(t, still(`&m=${LATENCY}`));
  const name = (line) => legend(page, "Query latency").getByRole("link", { name: line });
  const drawn = async () => (await lines(page)).length;
  assert.equal(await drawn(), 3);
  await name("p99").click();
  await paramBecomes(page, "hide", "database.query_latency_p99");
  await until("two lines", async () => (await drawn()) === 2);
  await name("p95").click({ modifiers: ["Shift"] });
  await until("one line", async () => (await drawn()) === 1);
  await legend(page, "Query latency").getByRole("row", { name: /p50\s*, hidden/ }).waitFor();
});

test("metrics are found, added and removed", async (t) => {
  const page = await openAlive(t, still("&m=database.queries"));
  await page.getByText("Add metric", { exact: true }).click();
  await page.getByRole("searchbox", { name: "Search metrics" }).fill("redis keys");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await paramBecomes(page, "m", /^database\.queries\/.*redis\./);
  const added = param(page, "m").split("/")[1];
  assert.ok(added.includes("redis."), added);
  await until("two charts", async () => (await charts(page).getByRole("heading", { level: 2 }).count()) === 2);
  await charts(page).getByRole("link", { name: "Remove Throughput" }).click();
  await paramBecomes(page, "m", added);
});

test("a metric that does not exist is named with what is nearest", async (t) => {
  const page = await openAlive(t, still("&m=database.queris/database.connections"));
  await page.getByText("No metric is named “database.queris”").waitFor();
  await page.getByRole("link", { name: "Show database.queries" }).click();
  await until("both are drawn", async () => (await charts(page).getByRole("heading", { level: 2 }).count()) === 2);
});

test("the points come as CSV, with units and empty gaps", async (t) => {
  const page = await openAlive(t, still(`&m=${LATENCY}/database.connections`));
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV", exact: true }).click()]);
  const text = await readFile(await download.path(), "utf8");
  const rows = text.trim().split("\r\n").map((row) => row.split(","));
  assert.deepEqual(rows[0], [
    "time_utc",
    ...LATENCY.split(":").map((metric) => `${metric} (ms)`),
    "database.connections (count)",
  ]);
  assert.ok(rows.length >= 12, `${rows.length} rows`);
  assert.ok(rows.every((row) => row.length === 5));
  const { series } = await api(`/api/v1/history?metric=database.connections&from=${from}&to=${to}`);
  const known = series[0].avg.filter((value) => value !== null).length;
  assert.equal(rows.slice(1).filter((row) => row[4] !== "").length, known, "as many points as the API has");
  assert.match(rows[1][0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
});

test("a picture is a PNG", async (t) => {
  const page = await openAlive(t, still());
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "PNG" }).click()]);
  assert.match(download.suggestedFilename(), /^trends-shop-.*\.png$/);
  const bytes = await readFile(await download.path());
  assert.deepEqual([...bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  assert.equal(bytes.readUInt32BE(16), 2400, "wide enough for print");
  assert.ok(bytes.length > 20_000, `${bytes.length} bytes`);
  assert.deepEqual(page.problems, []);
});

test("an address opens the same view elsewhere, also without JavaScript", async (t) => {
  const address = still(`&m=${LATENCY}/database.connections&hide=database.query_latency_p99&cursor=${to - 20_000}&without=others`);
  const first = await openAlive(t, address);
  const second = await openAlive(t, new URL(first.url()).pathname + new URL(first.url()).search);
  const off = await open(t, address, { javaScript: false });
  const drawn = await lines(first);
  assert.equal(drawn.length, 3);
  assert.ok(drawn.every((line) => line.includes("L")), "with points");
  assert.deepEqual(await lines(second), drawn);
  assert.deepEqual(await lines(off), drawn);
  const at = (page) => page.locator(".board td.at").allInnerTexts();
  assert.deepEqual(await at(off), await at(first));
  assert.equal(await off.getByRole("switch", { name: "Others" }).getAttribute("aria-checked"), "false");
});

test("without JavaScript links do what can be done", async (t) => {
  const page = await open(t, still("&m=database.queries/database.connections"), { javaScript: false });
  await charts(page).getByRole("table", { name: /^Throughput/ }).waitFor();
  await page.getByRole("link", { name: "Remove Throughput" }).click();
  await page.waitForURL(/m=database\.connections(&|$)/);
  await page.getByText("Add metric", { exact: true }).click();
  await page.getByRole("link", { name: /^Transactions/ }).click();
  await page.waitForURL(/database\.transactions/);
  await page.getByRole("link", { name: /^Previous/ }).click();
  await page.waitForURL(/compare=previous/);
  await page.getByRole("link", { name: /^Zoom out/ }).click();
  await until("twice the range", () => Number(param(page, "to")) - Number(param(page, "from")) > 110_000);
  await page.getByText("More for Transactions").or(page.getByTitle("More for Transactions")).first().click();
  await page.getByRole("link", { name: "Show as table" }).last().click();
  await page.getByRole("region", { name: "Points of Transactions" }).getByRole("row").nth(1).waitFor();
  await picture(page, "trends-without-javascript");
});

test("a live range grows", async (t) => {
  const page = await openAlive(t, "/trends?from=now-2m&m=database.connections");
  const [before] = await lines(page);
  await until("the line moves on", async () => (await lines(page))[0] !== before, { within: 30_000 });
  assert.deepEqual(page.problems, []);
});

test("a range that cannot be used is said, and the default one shown", async (t) => {
  const page = await openAlive(t, "/trends?from=now&to=now-1h");
  await page.getByText("The range cannot be used").waitFor();
  assert.ok((await lines(page)).length >= 4);
});

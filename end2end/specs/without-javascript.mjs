// The same page with JavaScript off: complete, and its links and forms work.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { api, liveState, open, picture } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const off = { javaScript: false };

before(() =>
  until("the history has points to draw", async () => {
    const series = await api("/api/v1/history?metric=database.connections&from=now-15m");
    return JSON.stringify(series).split(/[[,]/).filter((value) => /^\d/.test(value)).length >= 2;
  }, { within: 150_000, every: 1000 }));

test("the server answers with everything Overview has", async (t) => {
  const page = await open(t, "/", off);
  assert.match(await liveState(page).innerText(), /^Loaded \d\d:\d\d:\d\d$/);
  await page.getByText("reload for new data").waitFor();
  const health = page.getByRole("region", { name: "Health" });
  assert.match(await health.locator(".big").innerText(), /^\d+\s*of 100$/);
  assert.ok((await health.getByRole("table", { name: "Deductions from the health score" }).count()) === 1);
  for (const name of ["Database", "Cache", "Application", "Locks"]) {
    await health.getByRole("heading", { level: 3, name, exact: true }).waitFor();
  }
  await page.getByRole("region", { name: "Issues and recommendations" }).waitFor();
  await page.getByRole("region", { name: "Recent events" }).getByRole("listitem").first().waitFor();
  const charts = page.getByRole("region", { name: "Last 1 hour" }).locator(".chart[role=img]");
  assert.equal(await charts.count(), 6);
  for (const chart of await charts.all()) {
    assert.ok((await chart.getAttribute("aria-label")).length > 20, "a chart says in a sentence what it shows");
    assert.match(await chart.locator("path.grid").first().getAttribute("d"), /^M/);
  }
  const drawn = await charts.locator("path.ln").evaluateAll((lines) => lines.filter((line) => line.getAttribute("d")).length);
  assert.ok(drawn >= 4, `${drawn} of 6 charts have a line`);
  assert.deepEqual(page.problems, []);
  await picture(page, "without-javascript");
});

test("range links change the range", async (t) => {
  const page = await open(t, "/", off);
  await page.getByTitle("Time range").click();
  await page.getByRole("link", { name: "Last 1 hour" }).click();
  await page.waitForURL(/from=now-1h/);
  await page.getByRole("region", { name: "Last 1 hour" }).waitFor();
  await page.getByTitle("Time range").click();
  await page.getByRole("textbox", { name: "From" }).fill("now-2h");
  await page.getByRole("textbox", { name: "To" }).fill("now-1h");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL((url) => url.searchParams.get("from") === "now-2h" && url.searchParams.get("to") === "now-1h");
});

test("the theme is a form", async (t) => {
  const page = await open(t, "/?from=now-1h", off);
  await page.getByTitle("Theme").click();
  await page.getByRole("button", { name: "Dark" }).click();
  await page.locator("html[data-theme=dark]").waitFor();
  assert.match(page.url(), /from=now-1h/, "and leads back to the same view");
  await page.goto("/");
  await page.locator("html[data-theme=dark]").waitFor();
});

test("statistics can be reset over the confirm page", async (t) => {
  const page = await open(t, "/", off);
  await page.getByText("Reset…").click();
  await page.getByRole("link", { name: /request/i }).click();
  await page.waitForURL(/\/confirm\/reset\?/);
  await page.getByLabel("Reason, recorded in the audit").fill("tried without JavaScript");
  await page.getByRole("button", { name: "Reset now" }).click();
  await page.getByRole("status").getByText(/^Reset at \d\d:\d\d/).waitFor();
  const [newest] = await api("/api/v1/audit");
  assert.equal(newest.reason, "tried without JavaScript");
  assert.equal(newest.succeeded, true);
});

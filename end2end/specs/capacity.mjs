// The page Capacity: every resource says its range and what that rests on, or why it is silent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { api, open, openAlive, picture, site } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const region = (page, name) => page.getByRole("region", { name, exact: true }).first();
const RESOURCES = ["CPU", "Memory", "Storage", "Connections", "Cache memory", "Network", "Queue depth", "Transaction ids", "Sequences"];

test("every resource has its range, backtest and model, or the reason of its silence", async (t) => {
  const page = await openAlive(t, "/capacity?days=180");
  assert.equal(await page.title(), "Capacity · Headroom");
  const rows = region(page, "What runs out first").getByRole("row");
  assert.equal(await rows.count(), RESOURCES.length + 1);
  const { resources } = await api("/api/v1/capacity/dashboard?months=6");
  for (const report of resources) {
    const cell = page.locator(`#c-${report.resource}`);
    const said = await cell.innerText();
    if (report.verdict.kind === "silent") {
      assert.match(said, /No forecast: .{10,}/, said);
      continue;
    }
    assert.match(said, /Model: .+ days of history/, said);
    assert.match(said, /Backtest: .+(off over|too short)/, said);
    assert.match(said, /in \d+ days? \(\d+–|not in \d+ days|at its limit|perhaps|no date yet|no limit known/, said);
    const chart = cell.locator(".chart[role=img]");
    assert.ok((await chart.getAttribute("aria-label")).includes(said.split("\n")[0]));
    assert.match(await chart.locator("path.ln.dash").getAttribute("d"), /^M/);
    assert.ok((await chart.locator("path.ar.b80").getAttribute("d")).endsWith("Z"));
  }
  assert.deepEqual(page.problems, []);
  await picture(page, "capacity");
});

test("the horizon is in the address", async (t) => {
  const page = await openAlive(t, "/capacity");
  await page.getByRole("navigation", { name: "Horizon" }).getByRole("link", { name: "24 months" }).click();
  await page.waitForURL(/days=731/);
  await page.locator('nav[aria-label="Horizon"] [aria-current=true]', { hasText: "24 months" }).waitFor();
  await page.goto(`${site.demo.url}/capacity?days=9999`);
  await page.locator('nav[aria-label="Horizon"] [aria-current=true]', { hasText: "60 days" }).waitFor();
});

test("a question is a link, changes the outcome and needs no script", async (t) => {
  // Forecasts are made anew once the generated year is there.
  const known = await until("something grows in the demo's generated past", async () => {
    const { resources } = await api("/api/v1/capacity/dashboard?months=6");
    return resources.find(
      ({ verdict }) => verdict.kind === "forecast" && verdict.growthPerDay > 0 && verdict.crossing.kind !== "reached",
    );
  }, { within: 150_000, every: 1000 });
  const page = await open(t, "/capacity?days=180", { javaScript: false });
  const sheet = region(page, "What if");
  await sheet.getByLabel("Resource").selectOption(known.resource);
  await sheet.getByLabel("Growth, % of what is forecast").fill("0");
  await sheet.getByLabel("Another limit").fill("");
  await sheet.getByRole("button", { name: "Ask" }).click();
  await page.waitForURL(new RegExp(`what=${known.resource}.*growth=0`));
  await sheet.getByText("If so").waitFor();
  assert.equal(await sheet.getByRole("img").count(), 1);
  await page.goto(`${page.url().replace("growth=0", "growth=much")}`);
  await sheet.getByRole("alert").getByText("in per cent").waitFor();
  const data = await api("/api/v1/capacity/what-if", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ resource: known.resource, limit: Math.max(1e-6, known.current * 1.0001) }),
  });
  const days = ({ verdict }) => (verdict.crossing.kind === "reached" ? 0 : (verdict.crossing.p50 ?? Infinity));
  assert.ok(days(data.changed) <= days(data.present), JSON.stringify(data.changed.verdict.crossing));
});

test("the plan is a table and a calendar", async (t) => {
  const page = await open(t, "/capacity?days=365", { javaScript: false });
  const plan = region(page, "Scaling plan");
  for (const [name, media, begins] of [["CSV", "text/csv", "by,resource"], ["Add to calendar", "text/calendar", "BEGIN:VCALENDAR"]]) {
    const href = await plan.getByRole("link", { name }).getAttribute("href");
    const file = await fetch(`${site.demo.url}${href}`);
    assert.ok(file.headers.get("content-type").startsWith(media));
    assert.ok((await file.text()).startsWith(begins));
  }
});

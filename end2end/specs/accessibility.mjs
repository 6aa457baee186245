// axe finds nothing, in both themes and all three widths, closed and with everything open.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { before, test } from "node:test";
import { serve } from "../lib/console.mjs";
import { api, hydrated, open, openAlive, site, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Who is signed in has no business on the login page, and without users everyone is.
let guarded;
before(async () => {
  guarded = await serve(site, "guarded", { users: { someone: ["viewer", "correct horse battery"] } });
});

async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help} (${target.join(" ")})`));
}

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`Overview, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, "/", { theme, width });
      assert.deepEqual(await findings(page), []);
    });
  }
  test(`everything open, ${theme}`, async (t) => {
    const page = await openAlive(t, "/", { theme });
    for (const title of ["Target", "Time range", "Theme"]) {
      await page.getByTitle(title, { exact: true }).click();
      assert.deepEqual(await findings(page), [], title);
    }
    await page.getByRole("banner").getByText("Share", { exact: true }).click();
    assert.deepEqual(await findings(page), [], "Share");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
    assert.deepEqual(await findings(page), [], "Keyboard");
  });
  for (const width of WIDTHS) {
    test(`Cache, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, "/cache", { theme, width });
      assert.deepEqual(await findings(page), []);
      await page.getByRole("link", { name: /^Details of/ }).first().click();
      await page.getByRole("heading", { name: "Entry" }).waitFor();
      assert.deepEqual(await findings(page), [], "an open key");
      await page.getByText("Warm cache", { exact: true }).click();
      await page.getByRole("link", { name: /^Critical datasets/ }).waitFor();
      assert.deepEqual(await findings(page), [], "Warm cache");
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: "Clear cache…" }).click();
      await page.getByRole("dialog", { name: "Clear cache on shop" }).getByRole("button", { name: /^Clear [\d,]+ keys?$/ }).waitFor();
      assert.deepEqual(await findings(page), [], "Clear cache");
    });
  }
  for (const width of WIDTHS) {
    test(`Trends, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, "/trends?compare=previous", { theme, width });
      assert.deepEqual(await findings(page), []);
      await page.getByText("Add metric", { exact: true }).click();
      assert.deepEqual(await findings(page), [], "Add metric");
      await page.getByText("Add metric", { exact: true }).click();
      await page.getByTitle("More for Throughput").click();
      assert.deepEqual(await findings(page), [], "a chart's menu");
      await page.getByRole("link", { name: "Show as table" }).locator("visible=true").click();
      await page.getByRole("region", { name: "Points of Throughput" }).waitFor();
      assert.deepEqual(await findings(page), [], "a chart as table");
    });
  }
  for (const width of WIDTHS) {
    test(`Capacity, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, "/capacity?days=180", { theme, width });
      assert.deepEqual(await findings(page), []);
    });
    test(`Queries and a statement, ${theme}, ${width} px`, async (t) => {
      const known = async () => (await api("/api/v1/database/statements"))[0];
      const { queryId } = await until("a statement", known, { within: 120_000, every: 1000 });
      const page = await openAlive(t, `/queries?open=${queryId}`, { theme, width });
      await page.getByRole("heading", { name: "Execution time a call" }).waitFor();
      assert.deepEqual(await findings(page), [], "an open row");
      await page.getByText("Kind", { exact: true }).click();
      assert.deepEqual(await findings(page), [], "a filter");
      await page.goto(`${site.demo.url}/queries/${queryId}`);
      await page.getByRole("heading", { name: "Figures of the range" }).waitFor();
      assert.deepEqual(await findings(page), [], "a statement");
    });
    test(`Tables, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, "/tables", { theme, width });
      await page.getByRole("link", { name: /^Details of table shop/ }).first().click();
      await page.getByRole("heading", { name: "Indexes" }).waitFor();
      for (const name of ["Databases of the server", "Columns"]) await page.locator("summary", { hasText: name }).click();
      assert.deepEqual(await findings(page), []);
      await page.getByRole("link", { name: "Optimise…" }).click();
      await page.getByRole("group", { name: "Confirm" }).waitFor();
      assert.deepEqual(await findings(page), [], "Optimise");
    });
    test(`Indexes, ${theme}, ${width} px`, async (t) => {
      for (const tab of ["", "?tab=unused", "?tab=rejected", "?tab=duplicates"]) {
        const page = await openAlive(t, `/indexes${tab}`, { theme, width });
        assert.deepEqual(await findings(page), [], tab);
      }
    });
    test(`Settings, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, "/settings", { theme, width });
      await page.getByText("Rows by table").first().click();
      assert.deepEqual(await findings(page), []);
    });
    test(`what ran in a minute, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, `/trends?at=${Date.now() - 60_000}`, { theme, width });
      await page.getByRole("region", { name: /^What ran at / }).waitFor();
      assert.deepEqual(await findings(page), []);
    });
  }
  for (const path of ["reset?target=shop&scope=statements", "clear?target=shop&scope=all", "warm?target=shop&strategy=CRITICAL_ONLY", "share?target=shop&m=database.connections"]) {
    test(`confirm page, ${path}, ${theme}`, async (t) => {
      const page = await hydrated(await open(t, `/confirm/${path}`, { theme }));
      assert.deepEqual(await findings(page), []);
    });
  }
  for (const width of WIDTHS) {
    test(`a shared snapshot, ${theme}, ${width} px`, async (t) => {
      const body = JSON.stringify({ view: "target=shop&from=now-15m&to=now&m=database.connections", lifetime: "day" });
      const share = await api("/api/v1/shares", { method: "POST", headers: { "content-type": "application/json" }, body });
      const page = await open(t, share.path, { theme, width });
      await page.locator("main[data-alive]").waitFor();
      assert.deepEqual(await findings(page), []);
    });
  }
  test(`/login, ${theme}`, async (t) => {
    const page = await open(t, "/login?error=refused", { theme, base: guarded.url });
    await page.getByRole("heading", { name: "Sign in to Headroom" }).waitFor();
    assert.deepEqual(await findings(page), []);
  });
  test(`/api/docs, ${theme}`, async (t) => {
    assert.deepEqual(await findings(await open(t, "/api/docs", { theme })), []);
  });
}

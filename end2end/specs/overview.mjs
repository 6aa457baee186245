// Overview comes alive, and what it shows is true.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, hasPsql } from "../lib/database.mjs";
import { api, hydrated, liveState, open, openAlive } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const number = (text) => Number(/[\d,]+(\.\d+)?/.exec(text)?.[0].replaceAll(",", ""));

/** The value beside a name in a list of pairs. */
const valueOf = (scope, name) =>
  scope.locator("dl > dt").filter({ hasText: new RegExp(`^${name}$`) }).locator("xpath=following-sibling::dd[1]");

const scoreOf = async (page) => number(await page.getByRole("region", { name: "Health" }).locator(".big").innerText());

test("hydrates without a problem and follows the live feed", async (t) => {
  const page = await openAlive(t);
  await liveState(page).filter({ hasText: /^Live$/ }).waitFor();
  assert.equal(await page.title(), "Overview · Headroom");
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Overview of shop");
  for (const name of ["Health", "Issues and recommendations", "Actions", "Recent events"]) {
    await page.getByRole("region", { name }).waitFor();
  }
  for (const name of ["Database", "Cache", "Application", "Locks"]) {
    await page.getByRole("heading", { level: 3, name, exact: true }).waitFor();
  }
  // Charts are taken over once they are in view.
  await page.getByRole("region", { name: "Last 1 hour" }).scrollIntoViewIfNeeded();
  await until("ECharts draws six charts", async () => (await page.locator(".chart-frame.is-live svg").count()) >= 12);
  assert.deepEqual(page.problems, []);
});

test("the page has its title in every frame", async (t) => {
  const page = await open(t, "/api/docs");
  await page.addInitScript(() => {
    window.titles = new Set();
    const look = () => {
      if (document.body) window.titles.add(document.title);
      requestAnimationFrame(look);
    };
    look();
  });
  await page.goto("/");
  await hydrated(page);
  assert.deepEqual(await page.evaluate(() => [...window.titles]), ["Overview · Headroom"]);
  await page.getByRole("link", { name: "Cache", exact: true }).first().click();
  await page.waitForFunction(() => document.title === "Cache · Headroom");
  assert.ok((await page.evaluate(() => [...window.titles])).every((title) => / · Headroom$/.test(title)));
});

test("figures move without a reload", async (t) => {
  const page = await openAlive(t);
  await page.evaluate(() => (window.untouched = true));
  const throughput = valueOf(page.getByRole("region", { name: "Health" }), "Throughput");
  const first = await throughput.innerText();
  await until("the throughput changes", async () => (await throughput.innerText()) !== first);
  assert.equal(await page.evaluate(() => window.untouched), true);
});

test("the score is the API's, and the ledger accounts for every lost point", async (t) => {
  const page = await openAlive(t);
  const agreed = await until("page and API agree on the score", async () => {
    const [shown, health] = [await scoreOf(page), await api("/api/v1/health")];
    return shown === health.score && health;
  });
  await until("the ledger adds up", async () => {
    const lost = await page.getByRole("table", { name: "Deductions from the health score" }).locator("td.pts").allInnerTexts();
    const points = lost.filter((text) => text !== "–").reduce((sum, text) => sum + number(text), 0);
    return points === 100 - (await scoreOf(page));
  });
  t.diagnostic(`score ${agreed.score}, ${agreed.deductions.length} deductions`);
});

test("connections are the database's own", { skip: !hasPsql && "psql is not installed" }, async (t) => {
  const limit = Number(ask("SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true)::int, 0)"));
  const page = await openAlive(t);
  const cell = page.getByRole("heading", { name: "Connections in use" }).locator("xpath=..");
  await cell.getByText(`of ${limit}`).waitFor();
  // The workload opens and closes connections between the two readings; a few samples are enough to meet.
  await until("page and database agree on the connections", async () => {
    const shown = number(await cell.locator("b").innerText());
    // psql itself is one of them.
    const counted = Number(ask("SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"));
    t.diagnostic(`page ${shown}, database ${counted}`);
    return Math.abs(shown - counted) <= 1;
  }, { within: 60_000, every: 1000 });
});

test("issues can be filtered, and the filter is in the address", async (t) => {
  const page = await openAlive(t);
  const issues = page.getByRole("region", { name: "Issues and recommendations" });
  await issues.getByRole("link", { name: "Suggested" }).click();
  await page.waitForURL(/show=suggested/);
  assert.equal(await issues.getByRole("link", { name: "Suggested" }).getAttribute("aria-current"), "true");
  const reopened = await open(t, new URL(page.url()).pathname + new URL(page.url()).search);
  assert.equal(
    await reopened.getByRole("region", { name: "Issues and recommendations" }).getByRole("link", { name: "Suggested" }).getAttribute("aria-current"),
    "true",
  );
});

test("a deploy marker appears on the open page", async (t) => {
  const page = await openAlive(t);
  const title = `Release ${Date.now()}`;
  await api("/api/v1/events?target=shop", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ title }),
  });
  await page.getByRole("region", { name: "Recent events" }).getByText(title).waitFor();
});

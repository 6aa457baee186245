// The pages Queries and of one statement: what they show is the API's, and all of their state is in the address.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { api, open, openAlive, picture, site, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const region = (page, name) => page.getByRole("region", { name, exact: true });
const list = (page) => region(page, "Statements");
const rows = (page) => list(page).locator("tbody > tr:not(.detail)");
const SLOW = "WHERE customer_id = $1 AND status = $2";

/** The statement that lacks its index, as the API tells it. */
async function slow() {
  const [row] = await api(`/api/v1/database/statements?text=${encodeURIComponent(SLOW)}&sort=time`);
  return row;
}

before(() =>
  until("statements of the shop, with tags and texts", async () => {
    const known = await api("/api/v1/database/statements?tag=controller:account");
    return known.length > 0 && known[0].stats.calls > 3 && (await slow());
  }, { within: 150_000, every: 1000 }));

test("the list shows what the API tells, the slow statement on top of those that are slow", async (t) => {
  const page = await openAlive(t, "/queries?sort=-mean");
  assert.equal(await page.title(), "Queries · Headroom");
  assert.ok((await rows(page).count()) > 5);
  const shown = await rows(page).first().innerText();
  const [slowest] = await api("/api/v1/database/slow-queries?threshold=1");
  assert.ok(slowest.stats.meanMs > 1 && shown.length > 20, shown);
  assert.equal(await list(page).getByRole("columnheader", { name: "Mean", exact: true }).getAttribute("aria-sort"), "descending");
  await page.getByRole("navigation", { name: "Main", exact: true }).getByRole("link", { name: "Queries" }).and(page.locator("[aria-current=page]")).waitFor();
  assert.deepEqual(page.problems, []);
});

test("search, kind, role, tag, order and columns are in the address", async (t) => {
  const page = await openAlive(t, "/queries");
  await list(page).getByRole("searchbox", { name: "Table, column or text" }).fill("order_items");
  await page.waitForURL(/find=order_items/);
  await until("only statements that match", async () => {
    const texts = await rows(page).locator(".sql-line").evaluateAll((lines) => lines.map((line) => line.title));
    return texts.length > 0 && texts.every((text) => text.includes("order_items"));
  });
  await page.goto(`${site.demo.url}/queries`);
  await list(page).getByText("Kind", { exact: true }).click();
  await list(page).getByRole("link", { name: "update", exact: true }).click();
  await page.waitForURL(/kind=update/);
  await until("only updates", async () => {
    const texts = await rows(page).locator(".sql-line").evaluateAll((lines) => lines.map((line) => line.title));
    return texts.length > 0 && texts.every((text) => text.startsWith("UPDATE"));
  });
  const csv = await page.request.get(await page.getByRole("link", { name: "CSV" }).getAttribute("href"));
  const lines = (await csv.text()).trim().split("\r\n").slice(1);
  assert.ok(lines.length > 0 && lines.every((line) => line.includes(",update,")), "the file is of the filter");
  await page.goto(`${site.demo.url}/queries?tag=controller:account`);
  await until("only what is tagged so", async () => (await rows(page).count()) === 1);
  await list(page).getByText("Tag: controller:account").waitFor();
  await list(page).getByText("Columns", { exact: true }).click();
  await list(page).getByRole("link", { name: /^Tags/ }).click();
  await page.waitForURL(/columns=tags/);
  await list(page).getByRole("cell", { name: "action:orders, controller:account" }).waitFor();
  assert.deepEqual(page.problems, []);
});

test("a row opens below itself, loads when it is opened, and leads to the statement's page", async (t) => {
  const statement = await slow();
  const page = await openAlive(t, "/queries");
  await list(page).getByRole("link", { name: `Details of statement ${statement.queryId}` }).click();
  await page.waitForURL(new RegExp(`open=${statement.queryId}`));
  const detail = list(page).locator("tr.detail");
  await detail.getByRole("heading", { name: "Execution time a call" }).waitFor();
  assert.equal(await detail.locator(".chart[role=img]").count(), 2);
  assert.match(await detail.getByRole("group", { name: "Statement" }).innerText(), /SELECT id, total_cents, created_at\s+FROM shop\.orders/);
  for (const name of ["Rows a call", "Buffer hit", "p95, estimate", "I/O share of time", "First seen"]) {
    await detail.getByText(name, { exact: true }).first().waitFor();
  }
  await picture(page, "queries-open");
  // The same address without JavaScript has all of it.
  const still = await open(t, new URL(page.url()).pathname + new URL(page.url()).search, { javaScript: false });
  await list(still).locator("tr.detail").getByRole("heading", { name: "Execution time a call" }).waitFor();
  await detail.getByRole("link", { name: "Open the statement's page" }).click();
  await page.waitForURL(new RegExp(`/queries/${statement.queryId}`));
  await page.getByRole("heading", { level: 1, name: "Statement" }).waitFor();
  assert.deepEqual(page.problems, []);
});

test("a statement's page has its figures, its course and the minutes it took most time in", async (t) => {
  const { queryId } = await slow();
  const page = await openAlive(t, `/queries/${queryId}`);
  const told = await api(`/api/v1/database/statements/${queryId}`);
  const course = region(page, "Over the range");
  for (const name of ["Execution time a call", "Calls", "Share of all execution time", "Rows a call", "Blocks a call"]) {
    await course.getByRole("heading", { name, exact: true }).waitFor();
  }
  assert.ok(told.statement.stats.calls > 0 && told.series.meanMs.some((mean) => mean > 0));
  const figures = region(page, "Figures of the range");
  await figures.getByText("controller:account").waitFor();
  if (told.minutes.length > 0) {
    await figures.getByRole("link", { name: /^\d\d:\d\d$/ }).first().click();
    await page.waitForURL(/\/trends\?.*at=\d+/);
    await page.getByRole("region", { name: /^What ran at / }).waitFor();
  }
  assert.deepEqual(page.problems, []);
});

test("a shared link to a past range shows that range", async (t) => {
  const { queryId } = await slow();
  const to = Date.now();
  const page = await open(t, `/queries/${queryId}?from=${to - 600_000}&to=${to}`, { javaScript: false });
  await region(page, "Over the range").waitFor();
  const before = await open(t, "/queries?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z", { javaScript: false });
  await list(before).getByText("The history of statements begins at").waitFor();
});

test("an unknown statement says so", async (t) => {
  const page = await open(t, "/queries/4711", { javaScript: false });
  assert.equal(page.answer.status(), 404);
  await page.getByText("has not seen a statement with the query id “4711”").waitFor();
});

test("the statement that takes the time leads from Overview to its page", async (t) => {
  const issue = await until("a statement among the issues", async () => {
    const { issues = [], recommendations = [], warnings = [] } = await api("/api/v1/health");
    return [...issues, ...warnings, ...recommendations].find(({ remedy }) => remedy?.href?.startsWith("/queries/"));
  }, { within: 120_000, every: 1000 });
  const page = await open(t, issue.remedy.href, { javaScript: false });
  await page.getByRole("heading", { level: 1, name: "Statement" }).waitFor();
});

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`nothing scrolls sideways, ${theme}, ${width} px`, async (t) => {
      const { queryId } = await slow();
      for (const path of [`/queries?open=${queryId}`, `/queries/${queryId}`]) {
        const page = await openAlive(t, path, { theme, width });
        const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        await picture(page, `${path.includes("open") ? "queries" : "statement"}-${width}-${theme}`);
        assert.ok(wide <= room, `${path} is ${wide} px wide in ${room} px`);
      }
    });
  }
}

// The page Tables: sizes and what is wrong, the open table, Optimise with a checked effect, what the server says of itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { api, open, openAlive, picture, site, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const region = (page, name) => page.getByRole("region", { name, exact: true }).first();
const rows = (page) => region(page, "Tables").locator("tbody > tr:not(.detail)");
const names = async (page) => (await rows(page).locator("th[scope=row]").allInnerTexts()).map((text) => text.trim());

// The shop is loaded once the demo has begun.
const loaded = () =>
  until("the shop's tables are there", async () => {
    const { tables } = await api("/api/v1/database/tables");
    return tables.some(({ name }) => name === "orders") && tables;
  }, { within: 120_000, every: 1000 });

test("tables are sorted, filtered and searched by links", async (t) => {
  const tables = await loaded();
  const page = await openAlive(t, "/tables");
  assert.equal(await page.title(), "Tables · Headroom");
  const largest = [...tables].sort((a, b) => b.sizeBytes - a.sizeBytes).map(({ schema, name }) => `${schema}.${name}`);
  assert.deepEqual((await names(page)).slice(0, 2), largest.slice(0, 2));
  await region(page, "Tables").getByRole("columnheader", { name: "Table" }).getByRole("link").click();
  await page.waitForURL(/sort=name/);
  await until("the names are in order", async () => {
    const now = await names(page);
    return now.join() === [...now].sort().join();
  });
  await page.getByRole("searchbox", { name: "Filter by schema or table" }).fill("order_");
  await page.waitForURL(/find=order_/);
  await until("only what matches is left", async () => (await names(page)).every((name) => name.includes("order_")));
  await page.goto(`${site.demo.url}/tables?show=keys`);
  const without = tables.filter(({ keysWithoutIndex }) => keysWithoutIndex > 0).map(({ schema, name }) => `${schema}.${name}`);
  if (without.length > 0) assert.deepEqual((await names(page)).sort(), without.sort());
  else await page.getByText("Every foreign key has an index.").waitFor();
  await page.goto(`${site.demo.url}/tables?find=no_such_table`);
  await page.getByText(/None of \d+ tables holds “no_such_table”/).waitFor();
  assert.deepEqual(page.problems, []);
});

test("a table is opened, optimised in place, and the effect is checked", async (t) => {
  await loaded();
  const page = await openAlive(t, "/tables");
  await region(page, "Tables").getByRole("link", { name: "Details of table shop.order_items" }).click();
  await page.waitForURL(/open=shop\.order_items/);
  const detail = page.locator("tr.detail");
  await detail.getByRole("heading", { name: "Indexes" }).waitFor();
  assert.match(await detail.innerText(), /Freeze age\s+[\d,]+ of [\d,]+/);
  await detail.getByRole("link", { name: "Optimise…" }).click();
  await detail.getByText('VACUUM (ANALYZE) "shop"."order_items"').waitFor();
  await picture(page, "tables-confirm");
  if ((await detail.getByText("The role may not vacuum").count()) > 0) {
    // The exact grant stands where the button would.
    assert.match(await detail.innerText(), /GRANT .+ TO/);
    assert.equal(await detail.getByRole("button", { name: "Optimise now" }).count(), 0);
    return;
  }
  await detail.getByRole("textbox", { name: "Reason, recorded in the audit" }).fill("tried by a browser");
  await detail.getByRole("button", { name: "Optimise now" }).click();
  await detail.getByText(/Checked: the server counts the vacuum/).first().waitFor();
  const [newest] = (await api("/api/v1/audit")).filter(({ action }) => action === "table.optimize");
  assert.equal(newest.reason, "tried by a browser");
  assert.equal(newest.succeeded, true);
  const { vacuums } = await api("/api/v1/database/tables/shop.order_items");
  assert.ok(vacuums.count >= 1);
  assert.deepEqual(page.problems, []);
  await picture(page, "tables-optimised");
});

test("without JavaScript a table opens, and Optimise leads through a page of its own", async (t) => {
  await loaded();
  const page = await open(t, "/tables?open=shop.customers", { javaScript: false });
  const detail = page.locator("tr.detail");
  assert.match(await detail.innerText(), /Autovacuums/);
  for (const name of ["Database size", "Vacuum and freeze", "Replication", "Settings worth a look"]) {
    assert.ok((await region(page, name).innerText()).length > name.length, name);
  }
  await detail.getByRole("link", { name: "Optimise…" }).click();
  await page.waitForURL(/confirm\/optimize\?.*table=shop\.customers/);
  await page.getByText('VACUUM (ANALYZE) "shop"."customers"').waitFor();
  if ((await page.getByText("The role may not vacuum").count()) > 0) return;
  await page.getByRole("button", { name: "Optimise now" }).click();
  await page.waitForURL(/done=/);
  await until("the page says how it ended", async () => {
    await page.reload();
    return (await page.getByText(/Checked: the server counts the vacuum/).count()) > 0;
  });
});

test("what the server says of itself is on the page", async (t) => {
  await loaded();
  const page = await openAlive(t, "/tables");
  const size = await api("/api/v1/database/size");
  assert.match(await region(page, "Database size").innerText(), /Write-ahead log/);
  assert.ok(size.databaseBytes > 0);
  const settings = await api("/api/v1/database/settings");
  const said = await region(page, "Settings worth a look").innerText();
  for (const { name } of settings.advice) assert.ok(said.includes(name), name);
  assert.match(await region(page, "Vacuum and freeze").innerText(), /Oldest tables of this database/);
  assert.deepEqual(page.problems, []);
});

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`nothing is cut off at ${width} px, ${theme}`, async (t) => {
      await loaded();
      const page = await openAlive(t, "/tables?open=shop.orders", { theme, width });
      await page.locator("tr.detail").getByRole("heading", { name: "Indexes" }).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${wide} px too wide`);
      await picture(page, `tables-${width}-${theme}`);
      assert.deepEqual(page.problems, []);
    });
  }
}

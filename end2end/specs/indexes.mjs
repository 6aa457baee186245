// The page Indexes: the demo's missing index is found, shown with its plan, created with progress, and its gain measured;
// lists, their state in the address, and all of it without JavaScript.

import assert from "node:assert/strict";
import { test } from "node:test";
import { api, open, openAlive, picture, site } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const sheet = (page) => page.getByRole("region", { name: "Indexes", exact: true });
const SUGGESTIONS = "/api/v1/database/indexes/suggestions";

/** The suggestion for the shop's orders, once the demo's slow statement was seen. */
function orders() {
  return until(
    "an index for shop.orders is suggested",
    async () => {
      await api(SUGGESTIONS, { method: "POST" });
      const report = await api(SUGGESTIONS);
      return report.suggestions.find((advice) => advice.table === "shop.orders" && advice.keys.startsWith("(customer_id"));
    },
    { within: 150_000, every: 2000 },
  );
}

test("the missing index is suggested with its statement, proof, cost and plan", async (t) => {
  const advice = await orders();
  const page = await openAlive(t, "/indexes");
  assert.equal(await page.title(), "Indexes · Headroom");
  const card = sheet(page).getByRole("article", { name: advice.index });
  await card.getByText(advice.proof === "planner" ? /proven: the planner would use it/ : /estimate: not confirmed/).waitFor();
  assert.equal((await card.locator("pre").first().innerText()).trim(), advice.sql);
  await card.getByText("Cost to writers").waitFor();
  await card.getByRole("link", { name: "Plan" }).first().click();
  await page.waitForURL(/plan=-?\d+/);
  const tree = card.getByRole("tree", { name: "Plan" });
  await tree.waitFor();
  assert.match(await tree.innerText(), /Seq Scan/);
  assert.ok(await card.locator(".plan .why").first().isVisible());
  await card.getByRole("button", { name: "Explain now" }).click();
  await card.getByRole("button", { name: "Explain now", disabled: false }).waitFor();
  assert.deepEqual(page.problems, []);
  await picture(page, "indexes");
});

test("every list sorts, searches and opens rows in the address, and needs no script", async (t) => {
  await orders();
  const page = await open(t, "/indexes?tab=unused", { javaScript: false });
  const list = sheet(page);
  await list.getByRole("table", { name: "Indexes without scans" }).waitFor();
  const unused = await api("/api/v1/database/indexes/unused");
  assert.equal(await list.locator("tbody tr:not(.detail)").count(), Math.min(25, unused.indexes.length));
  const first = unused.indexes[0].index;
  await list.getByRole("link", { name: `Details of index ${first}` }).click();
  await page.waitForURL(/open=/);
  await list.getByText("All of these must hold before it is dropped").waitFor();
  await list.getByText(`DROP INDEX CONCURRENTLY`).first().waitFor();
  await page.goto(`${site.demo.url}/indexes?tab=unused&find=nothing-is-called-so`);
  await list.getByText("holds “nothing-is-called-so”").waitFor();
  await page.goto(`${site.demo.url}/indexes?tab=rejected&sort=keys`);
  await list.getByRole("table", { name: "Indexes that are not advised" }).waitFor();
  await page.goto(`${site.demo.url}/indexes?tab=duplicates`);
  await list.getByText(/No index is there twice|1–\d+ of/).first().waitFor();
});

test("without JavaScript creating is previewed on a page of its own", async (t) => {
  const advice = await orders();
  const page = await open(t, "/indexes", { javaScript: false });
  await sheet(page).getByRole("article", { name: advice.index }).getByRole("link", { name: "Create index…" }).click();
  await page.waitForURL(/confirm\/index/);
  await page.getByText("Readers and writers go on meanwhile").waitFor();
  assert.equal((await page.locator("form pre").innerText()).trim(), advice.sql);
  assert.ok(await page.getByRole("button", { name: "Create now" }).isVisible());
});

test("it is created from the page with progress, and its gain is measured", async (t) => {
  const advice = await orders();
  const page = await openAlive(t, "/indexes");
  const card = sheet(page).getByRole("article", { name: advice.index });
  await card.getByRole("link", { name: "Create index…" }).click();
  await card.getByText("Readers and writers go on meanwhile").waitFor();
  await card.getByLabel("Reason, recorded in the audit").fill("orders of a customer are slow");
  await card.getByRole("button", { name: "Create now" }).click();
  // A small table is built fast; the demo's open transactions may hold it up for a while.
  await card.getByText(/Created, (being measured|gain measured)/).waitFor({ timeout: 150_000 });
  const { operations } = { operations: await api("/api/v1/operations") };
  const built = operations.find((operation) => operation.kind === "index.create");
  assert.deepEqual([built.state, built.reason], ["succeeded", "orders of a customer are slow"]);
  const confirm = await open(t, `/confirm/index?id=${advice.id}&done=${built.id}`, { javaScript: false });
  await confirm.getByText(/^Created at .*, for /).waitFor();
  await confirm.getByText(`${advice.index} is created: `).waitFor();
  const onward = confirm.getByRole("link", { name: "See what it brings" });
  assert.match(await onward.getAttribute("href"), new RegExp(`^/indexes.*#advice-${advice.id}$`));
  await confirm.goto(`${site.demo.url}/confirm/index?id=${advice.id}&done=00000000`);
  await confirm.getByText("the console remembers the last 50 actions").waitFor();
  const measured = await until(
    "the gain is measured",
    async () => {
      const report = await api(SUGGESTIONS);
      return report.suggestions.find((it) => it.id === advice.id && it.state === "measured");
    },
    { within: 240_000, every: 3000 },
  );
  const [statement] = measured.statements;
  assert.ok(statement.meanAfterMs < statement.meanBeforeMs / 2, JSON.stringify(statement));
  await card.getByText("Created, gain measured").waitFor({ timeout: 20_000 });
  await picture(page, "indexes-measured");
  assert.deepEqual(page.problems, []);
});

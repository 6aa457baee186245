// The page Cache: what it shows is the API's, and each of its actions does what it says.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { serve } from "../lib/console.mjs";
import { api, open, openAlive, picture, site, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const region = (page, name) => page.getByRole("region", { name, exact: true });
const number = (text) => Number(/[\d,]+(\.\d+)?/.exec(text)?.[0].replaceAll(",", ""));
const report = () => api("/api/v1/cache");

// At one key a second nobody comes too late to cancel.
const SLOW_KEYS = 100;

// A dataset of a console of our own over the shop. Its key space is its own, so that neither clears what is the other's.
const products = (space, more = "") => `
[cache]
space = "${space}"
${more}
[[datasets]]
name = "product"
sql = "SELECT id, sku, title FROM shop.products WHERE id = :id"
warmup = "critical"
warm = [${Array.from({ length: SLOW_KEYS }, (_, n) => `{ id = "${n + 1}" }`).join(", ")}]
[[datasets.parameters]]
name = "id"
type = "integer"
`;
before(() =>
  until("the shop reads through the cache", async () => {
    const { classes } = await report();
    return classes.some(({ counters }) => counters.hitsMemory > 50) && (await api("/api/v1/cache/tags")).length > 0;
  }, { within: 120_000, every: 1000 }));

test("shows what the API tells, and follows the feed", async (t) => {
  const page = await openAlive(t, "/cache");
  assert.equal(await page.title(), "Cache · Headroom");
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Cache");
  for (const name of ["Key figures", "Cache charts", "Keys", "Datasets", "Warmup", "Tags"]) await region(page, name).waitFor();
  const { classes } = await report();
  const rows = region(page, "Datasets").getByRole("row");
  assert.equal(await rows.count(), classes.length + 1);
  for (const { class: name } of classes) await region(page, "Datasets").getByRole("rowheader", { name, exact: true }).waitFor();
  assert.equal(await region(page, "Cache charts").locator(".chart[role=img]").count(), 6);
  await region(page, "Cache charts").scrollIntoViewIfNeeded();
  await until("ECharts draws", async () => (await page.locator(".chart-frame.is-live").count()) > 0);
  await page.evaluate(() => (window.untouched = true));
  const lookups = region(page, "Key figures").locator(".fig").nth(2);
  const first = await lookups.innerText();
  await until("the lookups change", async () => (await lookups.innerText()) !== first);
  assert.equal(await page.evaluate(() => window.untouched), true);
  assert.deepEqual(page.problems, []);
});

test("keys: tabs, order, search and the open row are in the address", async (t) => {
  const page = await openAlive(t, "/cache");
  const keys = region(page, "Keys");
  await keys.getByRole("link", { name: "Size" }).click();
  await page.waitForURL(/sort=-size/);
  assert.equal(await keys.getByRole("columnheader", { name: "Size" }).getAttribute("aria-sort"), "descending");
  const sizes = async () => {
    const cells = await keys.locator("tbody tr:not(.detail) td:nth-child(6)").allInnerTexts();
    return cells.filter((text) => text !== "–").map((text) => number(text) * (text.includes("KiB") ? 1024 : 1));
  };
  await until("largest first", async () => {
    const shown = await sizes();
    return shown.length > 1 && shown.every((size, i) => i === 0 || shown[i - 1] >= size);
  });
  await keys.getByRole("searchbox", { name: "Part of a key or dataset" }).fill("customers");
  await page.waitForURL(/find=customers/);
  await until("only keys that match", async () => {
    const cells = await keys.locator("tbody tr:not(.detail) td:nth-child(2)").allInnerTexts();
    return cells.length > 0 && cells.every((text) => text === "customers");
  });
  await keys.getByRole("link", { name: /^Details of/ }).first().click();
  await page.waitForURL(/open=customers%2F|open=customers\//);
  await keys.getByRole("heading", { name: "Entry" }).waitFor();
  await keys.getByRole("heading", { name: /^Value/ }).waitFor();
  assert.match(await keys.getByLabel("Value", { exact: true }).innerText(), /"country"/);
  const reopened = await open(t, new URL(page.url()).pathname + new URL(page.url()).search, { javaScript: false });
  await region(reopened, "Keys").getByRole("heading", { name: "Entry" }).waitFor();
  await keys.getByRole("link", { name: "Coldest keys" }).click();
  await page.waitForURL(/keys=coldest/);
  assert.equal(await keys.getByRole("link", { name: "Coldest keys" }).getAttribute("aria-current"), "true");
  assert.deepEqual(page.problems, []);
});

test("a dataset is cleared after its keys were counted, and the audit has it", async (t) => {
  const page = await openAlive(t, "/cache");
  await page.getByRole("link", { name: "Clear cache…" }).click();
  const dialog = page.getByRole("dialog", { name: "Clear cache on shop" });
  await dialog.getByRole("radio", { name: /^Dataset/ }).check();
  await dialog.getByLabel("Dataset", { exact: true }).last().selectOption("customers");
  const confirm = dialog.getByRole("button", { name: /^Clear [\d,]+ keys?$/ });
  await confirm.waitFor();
  const counted = number(await dialog.locator(".impact b").innerText());
  assert.equal(number(await confirm.innerText()), counted, "the button repeats the number");
  await dialog.getByLabel("Reason, recorded in the audit").fill("tried by a browser");
  await confirm.click();
  await dialog.getByText(/Cleared at \d\d:\d\d:\d\d/).waitFor();
  const [newest] = await api("/api/v1/audit");
  assert.deepEqual([newest.action, newest.reason, newest.succeeded], ["cache.clear", "tried by a browser", true]);
  assert.deepEqual(newest.parameters, { scope: "dataset", dataset: "customers" });
  assert.match(await dialog.innerText(), new RegExp(`Audit entry ${newest.id}\\b`));
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await dialog.waitFor({ state: "hidden" });
  assert.deepEqual(page.problems, []);
});

test("a tag and a pattern are counted before they can be cleared", async (t) => {
  const page = await openAlive(t, "/cache");
  await region(page, "Tags").getByRole("link", { name: /^Clear tag/ }).first().click();
  const dialog = page.getByRole("dialog", { name: "Clear cache on shop" });
  await dialog.getByRole("button", { name: /^Clear [\d,]+ keys?$/ }).waitFor();
  assert.ok((await dialog.getByLabel("Tag", { exact: true }).last().inputValue()).length > 0, "the tag is filled in");
  await dialog.getByRole("radio", { name: /^Pattern/ }).check();
  await dialog.getByLabel("Pattern", { exact: true }).last().fill("no such key *");
  await dialog.getByRole("button", { name: "Clear 0 keys" }).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.deepEqual(page.problems, []);
});

/** Starts a strategy from the menu of the page, once its keys are counted. */
async function warm(page, strategy) {
  await page.getByText("Warm cache", { exact: true }).click();
  const choice = page.getByRole("link", { name: strategy });
  await choice.getByText(/\d+ keys?/).waitFor();
  await choice.click();
}

test("the cache is warmed", async (t) => {
  const page = await openAlive(t, "/cache");
  const status = () => api("/api/v1/cache/warmup/status");
  await until("no warmup runs", async () => (await status()).running === null, { within: 120_000, every: 1000 });
  const known = (await status()).history.map(({ id }) => id);
  await warm(page, /^Critical datasets/);
  const ended = await until("it has ended", async () => {
    const { running, history } = await status();
    const ours = ({ id, title }) => !known.includes(id) && title.includes("critical datasets");
    return running === null && history.find(ours);
  });
  assert.equal(ended.state, "succeeded", ended.outcome);
  await region(page, "Warmup").getByText(/^Done, .*\d\d:\d\d:\d\d by/).first().waitFor();
  assert.deepEqual(page.problems, []);
});

test("a warmup can be cancelled", async (t) => {
  const config = products("cancelled", "[cache.warmup]\nkeys_per_second = 1");
  const { url: base } = await serve(site, "cache-slow", { config });
  const page = await openAlive(t, "/cache", { base });
  await warm(page, /^Critical datasets/);
  const warmup = region(page, "Warmup");
  await warmup.getByRole("button", { name: "Cancel warmup" }).click();
  const ended = await until("it has ended", async () => {
    const { running, history } = await api("/api/v1/cache/warmup/status", { base });
    return running === null && history[0];
  });
  assert.equal(ended.state, "cancelled", ended.outcome);
  assert.ok(ended.progress.done < SLOW_KEYS, `${ended.progress.done} keys were warmed`);
  await warmup.getByText(/^Cancelled, .*\d\d:\d\d:\d\d by/).first().waitFor();
  assert.deepEqual(page.problems, []);
});

test("cache counters are reset from Overview", async (t) => {
  const page = await openAlive(t);
  const before = (await report()).countingSince;
  const actions = region(page, "Actions");
  await actions.getByText("Reset…").click();
  await actions.getByRole("link", { name: /cache counters/i }).click();
  await actions.getByRole("button", { name: "Reset now" }).click();
  await actions.getByText(/cache counters reset at \d\d:\d\d:\d\d/).waitFor();
  assert.ok((await report()).countingSince > before);
  assert.deepEqual(page.problems, []);
});

test("a viewer sees no values and cannot act", async (t) => {
  const users = { vera: ["viewer", "a long enough password"] };
  // Datasets are of the first target when they name none.
  const { url: base } = await serve(site, "cache-viewer", { users, targets: ["shop", "plain"], config: products("viewer") });
  const page = await open(t, "/login?next=/cache", { base });
  await page.getByLabel("Name").fill("vera");
  await page.getByLabel("Password").fill("a long enough password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Warming and clearing need the role operator").waitFor();
  assert.equal(await page.getByRole("link", { name: "Clear cache…" }).count(), 0);
  const read = await page.evaluate(async () => (await fetch("/api/v1/data/product?id=7")).status);
  assert.equal(read, 200);
  await page.goto("/cache?target=shop");
  const keys = region(page, "Keys");
  await keys.getByRole("link", { name: /^Details of id=7#/ }).click();
  await keys.getByRole("heading", { name: /^Value, / }).waitFor();
  await keys.getByText("Values may hold data of people, so they need the role operator.").waitFor();
  assert.equal(await keys.getByLabel("Value", { exact: true }).count(), 0);
  assert.equal(await page.getByText(/^Remove key/).count(), 0);
  // Without datasets the page says how to define one.
  await page.goto("/cache?target=plain");
  await page.getByRole("heading", { name: "No datasets on this target" }).waitFor();
  assert.deepEqual(page.problems, []);
});

test("the cache can be cleared and warmed without JavaScript", async (t) => {
  const page = await open(t, "/cache", { javaScript: false });
  const charts = region(page, "Cache charts").locator(".chart[role=img]");
  assert.equal(await charts.count(), 6);
  for (const chart of await charts.all()) assert.ok((await chart.getAttribute("aria-label")).length > 20);
  await page.getByRole("link", { name: "Clear cache…" }).click();
  await page.waitForURL(/\/confirm\/clear/);
  await page.getByRole("radio", { name: "Dataset", exact: true }).check();
  await page.getByLabel("Dataset", { exact: true }).last().fill("product");
  await page.getByRole("button", { name: "Count keys" }).click();
  await page.getByLabel("Reason, recorded in the audit").fill("tried without JavaScript");
  await page.getByRole("button", { name: /^Clear [\d,]+ keys?$/ }).click();
  await page.getByRole("status").getByText(/^Cleared at \d\d:\d\d/).waitFor();
  const [newest] = await api("/api/v1/audit");
  assert.deepEqual([newest.action, newest.reason], ["cache.clear", "tried without JavaScript"]);

  await page.goto("/cache");
  await page.getByText("Warm cache", { exact: true }).click();
  await page.getByRole("link", { name: /^Critical datasets/ }).click();
  await page.waitForURL(/\/confirm\/warm/);
  await page.getByRole("button", { name: "Warm now" }).click();
  await page.waitForURL(/done=/);
  await page.getByRole("status").first().waitFor();
});

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`nothing scrolls sideways at ${width} px, ${theme}`, async (t) => {
      const page = await openAlive(t, "/cache", { theme, width });
      const fits = async (when) => {
        const widths = () => [document.documentElement.scrollWidth, document.documentElement.clientWidth];
        const [scrollWidth, clientWidth] = await page.evaluate(widths);
        assert.ok(scrollWidth <= clientWidth, `${when} the page is ${scrollWidth} px wide in ${clientWidth} px`);
      };
      await fits("at first");
      await region(page, "Cache charts").scrollIntoViewIfNeeded();
      await until("the charts are drawn", async () => (await page.locator(".chart-frame.is-live").count()) > 0);
      await fits("with its charts");
      await page.evaluate(() => scrollTo(0, 0));
      await picture(page, `cache-${width}-${theme}`);
      await page.getByRole("link", { name: /^Details of/ }).first().click();
      await region(page, "Keys").getByRole("heading", { name: "Entry" }).waitFor();
      await fits("with a key open");
      await picture(page, `cache-key-${width}-${theme}`);
      assert.deepEqual(page.problems, []);
    });
  }
}

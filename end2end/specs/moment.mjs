// What ran in a minute, below the charts of Trends: from a link, by keyboard and without JavaScript, as the API tells it.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { api, open, openAlive, picture, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const MINUTE = 60_000;
const sheet = (page) => page.getByRole("region", { name: /^What ran at / });
const moment = (at) => api(`/api/v1/history/moment?at=${at}`);

// A minute that has ended and in which statements were measured.
let at;
before(() =>
  until("a minute has ended", async () => {
    const now = Math.floor(Date.now() / MINUTE) * MINUTE;
    for (const minute of [now - MINUTE, now - 2 * MINUTE]) {
      const { record } = await moment(minute);
      if (record?.statements.length > 0 && record.waits.length > 0) {
        at = minute;
        return true;
      }
    }
    return false;
  }, { within: 200_000, every: 1000 }));

test("a link opens the minute with its statements and waits", async (t) => {
  const page = await openAlive(t, `/trends?at=${at}`);
  const { record } = await moment(at);
  await sheet(page).waitFor();
  const statements = sheet(page).getByRole("group", { name: "Statements of the minute" });
  assert.equal(await statements.locator("tbody tr").count(), record.statements.length);
  assert.equal(await statements.locator("tbody tr code").first().innerText(), record.statements[0].text);
  const waits = await sheet(page).getByRole("rowheader").allInnerTexts();
  for (const { kind, event } of record.waits.slice(0, 3)) {
    assert.ok(waits.includes(kind ? `${kind}: ${event}` : "Running, not waiting"), `${kind}: ${event} in ${waits}`);
  }
  for (const { name } of record.datasets.slice(0, 3)) assert.ok(waits.includes(name), `${name} in ${waits}`);
  assert.deepEqual(page.problems, []);
  await picture(page, "moment");
});

test("neighbours, Escape and what was never kept", async (t) => {
  const page = await openAlive(t, `/trends?at=${at}`);
  await sheet(page).getByRole("link", { name: "Minute after" }).click();
  await page.waitForURL(new RegExp(`at=${at + MINUTE}`));
  await sheet(page).waitFor();
  await page.keyboard.press("Escape");
  await page.waitForURL((url) => !url.searchParams.has("at"));
  await sheet(page).waitFor({ state: "detached" });

  const never = await openAlive(t, `/trends?at=${at - 20 * 24 * 60 * MINUTE}`);
  await never.getByRole("heading", { name: "No record of this minute" }).waitFor();
  await never.getByRole("link", { name: /^Open the nearest one/ }).click();
  await sheet(never).getByRole("group", { name: "Statements of the minute" }).or(sheet(never).getByText("Lock waits")).first().waitFor();
});

test("the server alone shows it", async (t) => {
  const page = await open(t, `/trends?at=${at}`, { javaScript: false });
  const { record } = await moment(at);
  const statements = sheet(page).getByRole("group", { name: "Statements of the minute" });
  assert.equal(await statements.locator("tbody tr").count(), record.statements.length);
  await sheet(page).getByRole("link", { name: "Close" }).click();
  await page.waitForURL((url) => !url.searchParams.has("at"));
  assert.equal(await sheet(page).count(), 0);
});

for (const width of WIDTHS) {
  test(`fits ${width} px`, async (t) => {
    const page = await openAlive(t, `/trends?at=${at}`, { width });
    await sheet(page).waitFor();
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wider <= 0, `the page is ${wider} px too wide`);
    await picture(page, `moment-${width}`);
  });
}

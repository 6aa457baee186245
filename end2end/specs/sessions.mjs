// Connections and Locks: lists and trees show what the server has, a root is ended from the page and the others go on.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { serve } from "../lib/console.mjs";
import { ask, connect, hasPsql } from "../lib/database.mjs";
import { api, open, openAlive, picture, site, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help} (${target.join(" ")})`));
}

const needsPsql = { skip: !hasPsql && "psql is not installed" };

/** A session that holds a customer's row, and two that wait for it; the demo's own traffic may join them. Ends with the test. */
async function chain(t, customer, name) {
  const update = `UPDATE shop.customers SET name = 'sEcReT' WHERE id = ${customer};`;
  const holder = connect(t, name, `BEGIN; ${update}`);
  await until("the row is held", async () => ask(`SELECT count(*) FROM pg_stat_activity WHERE application_name = '${name}' AND state = 'idle in transaction'`) === "1");
  const waiters = [1, 2].map((n) => connect(t, `${name}-waits-${n}`, update));
  const tree = await until(
    "the tree is seen",
    async () => {
      const { trees } = await api("/api/v1/database/contention");
      return trees.find((tree) => tree.nodes[0].session?.application === name && tree.waiting >= 2);
    },
    { within: 60_000, every: 500 },
  );
  return { holder, waiters, key: tree.nodes[0].session.key };
}

test("the root of a blocking tree is ended from the page", needsPsql, async (t) => {
  const { key, waiters } = await chain(t, 11, "nightly-a");
  const page = await openAlive(t, "/locks");
  const now = page.getByRole("region", { name: "Blocking now" });
  const heading = now.getByRole("heading", { name: new RegExp(`Session ${key.pid} blocks \\d+ sessions`) });
  await heading.waitFor();
  const table = now.getByRole("table", { name: new RegExp(`Session ${key.pid} blocks`) });
  const rows = await table.getByRole("row").allInnerTexts();
  assert.match(rows[1], new RegExp(`${key.pid}[\\s\\S]*nightly-a[\\s\\S]*shop\\.customers, RowExclusiveLock`), "the root comes first");
  assert.ok(rows.slice(2).some((row) => /nightly-a-waits[\s\S]*a transaction, ShareLock/.test(row)), rows.join("\n"));
  assert.ok(!(await page.content()).includes("sEcReT"), "literals stay on the server");
  await picture(page, "locks-blocking");

  await now.getByRole("link", { name: `Terminate ${key.pid}…` }).click();
  const reason = now.getByRole("textbox", { name: "Reason, recorded in the audit" });
  await reason.fill("tried by a browser");
  await now.getByText("is rolled back").waitFor();
  await now.getByRole("button", { name: `Terminate ${key.pid}` }).click();
  await page.getByText(/Session terminated at \d\d:\d\d:\d\d/).waitFor();
  await page.getByText(new RegExp(`session ${key.pid} of nightly-a, role \\S+ has ended`)).waitFor();
  for (const waiter of waiters) await waiter.done("UPDATE 1");
  const [newest] = await api("/api/v1/audit");
  assert.equal(newest.action, "session.terminate");
  assert.equal(newest.reason, "tried by a browser");
  assert.equal(newest.parameters.pid, key.pid);
  // The outcome stays when its tree has gone; the range remembers the tree.
  await heading.waitFor({ state: "hidden" });
  await page.getByText(/Session terminated at/).waitFor();
  await page.getByRole("region", { name: "Contention in the range" }).getByRole("row", { name: new RegExp(`${key.pid}`) }).waitFor();
  assert.deepEqual(page.problems, []);
});

test("an issue of Overview opens the question, and Keep does nothing", needsPsql, async (t) => {
  const { key } = await chain(t, 12, "nightly-b");
  const page = await openAlive(t, "/");
  await page.getByRole("region", { name: "Issues and recommendations" }).getByRole("link", { name: `Terminate ${key.pid}…` }).click();
  await page.waitForURL(/\/locks\?/);
  const button = page.getByRole("button", { name: `Terminate ${key.pid}` });
  await button.waitFor();
  await until("a reload is no second question", async () => !page.url().includes("ask="));
  await page.getByRole("button", { name: "Keep" }).click();
  await button.waitFor({ state: "hidden" });
  assert.equal(ask(`SELECT count(*) FROM pg_stat_activity WHERE pid = ${key.pid}`), "1");
  assert.deepEqual(page.problems, []);
});

test("sessions are filtered, sorted, opened, and their statement cancelled", needsPsql, async (t) => {
  const busy = connect(t, "nightly-c", "SELECT pg_sleep(300), 'sEcReT';");
  await until("it is listed", async () => (await api("/api/v1/database/activity?application=nightly-c")).sessions.length === 1, { every: 500 });
  const page = await openAlive(t, "/connections");
  const sessions = page.getByRole("region", { name: "Sessions", exact: true });
  await sessions.getByRole("searchbox").fill("nightly-c");
  await page.waitForURL(/find=nightly-c/);
  await sessions.getByText("1–1 of 1 that match", { exact: false }).waitFor();
  await sessions.getByRole("link", { name: "Active", exact: true }).click();
  await page.waitForURL(/only=active/);
  await page.getByRole("link", { name: "nightly-c", exact: true }).click();
  await page.waitForURL(/application=nightly-c/);
  await sessions.getByRole("link", { name: "Remove filter application nightly-c" }).click();
  await page.waitForURL((url) => !url.searchParams.has("application"));
  await sessions.getByRole("link", { name: "Application" }).click();
  await page.waitForURL(/sort=application/);
  await sessions.getByText("Columns", { exact: true }).click();
  await sessions.getByRole("link", { name: /^Snapshot age/ }).click();
  await page.waitForURL(/columns=xmin/);
  await sessions.getByRole("link", { name: /^Details of session/ }).click();
  await page.waitForURL(/open=\d+-\d+/);
  // The same view from the address alone, without JavaScript too.
  const still = await open(t, page.url(), { javaScript: false });
  await still.getByRole("link", { name: /^Cancel \d+…/ }).waitFor();
  assert.match(await still.getByRole("region", { name: "Sessions", exact: true }).innerText(), /Snapshot age[\s\S]*nightly-c/);
  await picture(page, "connections-open");

  await sessions.getByRole("link", { name: /^Cancel \d+…/ }).click();
  await sessions.getByRole("button", { name: /^Cancel the statement of \d+/ }).click();
  await page.getByText(/Statement cancelled at \d\d:\d\d:\d\d/).waitFor();
  await busy.done("canceling statement due to user request");
  assert.ok(!(await page.content()).includes("sEcReT"));
  assert.deepEqual(page.problems, []);
});

test("without JavaScript a session ends over the confirm page, and a second time is refused with the reason", needsPsql, async (t) => {
  const idle = connect(t, "nightly-d", "BEGIN; SELECT 1;");
  const key = await until("it is listed", async () => (await api("/api/v1/database/activity?application=nightly-d")).sessions[0]?.key, { every: 500 });
  const name = `${key.pid}-${key.backendStartUs}`;
  const page = await open(t, `/connections?open=${name}`, { javaScript: false });
  await page.getByRole("link", { name: `Terminate ${key.pid}…` }).click();
  await page.getByText("is rolled back").waitFor();
  await page.getByLabel("Reason, recorded in the audit").fill("without JavaScript");
  await page.getByRole("button", { name: `Terminate ${key.pid}` }).click();
  await page.getByRole("status").getByText(/^Done at \d\d:\d\d/).waitFor();
  await idle.ended();
  await page.goto(`/confirm/session?act=terminate&session=${name}`);
  await page.getByRole("alert").getByText("it ended by itself").waitFor();
});

test("who may not end sessions is told so", async (t) => {
  const { url: base } = await serve(site, "watchers", { users: { someone: ["viewer", "correct horse battery"] } });
  const key = (await api("/api/v1/database/activity?limit=1")).sessions[0].key;
  const page = await open(t, "/login", { base });
  await page.getByLabel("Name").fill("someone");
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${base}/`);
  await until("sessions are read", async () => {
    await page.goto("/connections?only=active");
    return (await page.getByRole("link", { name: /^Details of session/ }).count()) > 0 || (await page.goto("/connections"), (await page.getByRole("link", { name: /^Details of session/ }).count()) > 0);
  });
  await page.getByRole("link", { name: /^Details of session/ }).first().click();
  await page.waitForURL(/open=/);
  assert.equal(await page.getByRole("link", { name: /^Terminate/ }).count(), 0);
  const refused = await page.request.post(`${base}/api/v1/database/activity/${key.pid}/terminate`, { data: { backendStartUs: key.backendStartUs } });
  assert.equal(refused.status(), 403);
});

test("pools, holders and the policy have their place", async (t) => {
  const page = await openAlive(t, "/connections");
  const pools = page.getByRole("region", { name: "Pools" });
  for (const lane of ["interactive", "monitor", "batch"]) {
    await pools.getByRole("rowheader", { name: lane, exact: true }).first().waitFor();
  }
  await pools.getByRole("table", { name: "Holders" }).waitFor();
  await page.getByRole("region", { name: "Auto-terminate" }).getByText("Off", { exact: true }).waitFor();
});

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    for (const path of ["connections", "locks"]) {
      test(`${path}, ${theme}, ${width} px`, async (t) => {
        const page = await openAlive(t, `/${path}`, { theme, width });
        if (path === "connections") {
          await page.getByRole("link", { name: /^Details of session/ }).first().click();
          await page.getByRole("heading", { name: "Statement" }).first().waitFor();
        }
        const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        await picture(page, `${path}-${width}-${theme}`);
        assert.ok(wide <= room, `the page is ${wide} px wide in ${room} px`);
        assert.deepEqual(await findings(page), []);
        assert.deepEqual(page.problems, []);
      });
    }
  }
}

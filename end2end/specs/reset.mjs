// Reset statistics from the page: preview, confirm, done; then the audit, the timeline and the database agree.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, hasPsql } from "../lib/database.mjs";
import { serve } from "../lib/console.mjs";
import { api, openAlive, site } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

test("statement statistics are reset", async (t) => {
  // Counted for this database alone: the reset leaves the others' statistics as they are.
  const calls = () =>
    hasPsql &&
    Number(ask("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid WHERE datname = current_database()"));
  // Enough that the seconds behind the reset cannot make up for it.
  if (hasPsql) await until("the shop's statements are counted", async () => calls() > 5_000, { within: 120_000, every: 1000 });
  const before = calls();
  const page = await openAlive(t);
  const actions = page.getByRole("region", { name: "Actions" });
  await actions.getByText("Reset…").click();
  await actions.getByRole("link", { name: /statement/i }).click();
  // By role: the closed dialog of the row above has such a field too.
  const reason = actions.getByRole("textbox", { name: "Reason, recorded in the audit" });
  await reason.waitFor();
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
  await until("the reason has the focus", async () => (await focused()) === "reset-reason");
  assert.match(await actions.locator("#reset").getByRole("status").innerText(), /\d/, "the preview counts");
  await actions.getByRole("button", { name: "Keep" }).click();
  await reason.waitFor({ state: "hidden" });
  await until("the menu has the focus again", async () => (await focused()) === "Reset…");
  if (hasPsql) assert.ok(calls() >= before, "nothing happens without confirmation");

  await actions.getByText("Reset…").click();
  await actions.getByRole("link", { name: /statement/i }).click();
  await reason.fill("tried by a browser");
  await actions.getByRole("button", { name: "Reset now" }).click();
  await actions.getByText(/reset at \d\d:\d\d:\d\d/).waitFor();
  await until("the menu has the focus after the reset", async () => (await focused()) === "Reset…");

  const [newest] = await api("/api/v1/audit");
  assert.equal(newest.reason, "tried by a browser");
  assert.equal(newest.succeeded, true);
  assert.match(await actions.innerText(), new RegExp(`Audit entry ${newest.id}\\b`));
  await page.getByRole("region", { name: "Recent events" }).getByText(/reset/i).first().waitFor();
  if (hasPsql) {
    const after = calls();
    assert.ok(after < before, `${before} calls were counted before, ${after} after`);
  }
  assert.deepEqual(page.problems, []);
});

test("a question is about the target it was asked for", async (t) => {
  const { url: base } = await serve(site, "targets", { targets: ["first", "second"] });
  const page = await openAlive(t, "/", { base });
  const actions = page.getByRole("region", { name: "Actions" });
  await actions.getByText("Reset…").click();
  await actions.getByRole("link", { name: /pool/i }).click();
  await actions.getByRole("button", { name: "Reset now" }).waitFor();
  await page.getByTitle("Target", { exact: true }).click();
  await page.getByRole("link", { name: /^second/ }).click();
  await actions.getByText("on second, recorded in the audit").waitFor();
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Overview of second");
  assert.equal(await actions.getByRole("button", { name: "Reset now" }).count(), 0, "the question went with its target");
  await actions.getByText("Reset…").click();
  await actions.getByRole("link", { name: /pool/i }).click();
  await actions.getByRole("button", { name: "Reset now" }).click();
  await actions.getByText(/reset at \d\d:\d\d:\d\d/).waitFor();
  const resets = (await api("/api/v1/audit", { base })).filter((row) => row.action === "stats.reset");
  assert.deepEqual(resets.map((row) => row.target), ["second"]);
  assert.deepEqual(page.problems, []);
});

// What each page says when the server does not tell everything, and that the remedy it names is the one that helps.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serve } from "../lib/console.mjs";
import { ask, hasPsql } from "../lib/database.mjs";
import { openAlive, site } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const skip = !hasPsql && "psql is not installed";
const DATABASE = "bare";
const ROLE = "bare_watcher";
let bare;

/** The address of the database, for its owner or for another role. */
const of = (who = {}) => Object.assign(new URL(site.demo.postgresUrl), { pathname: `/${DATABASE}`, ...who }).href;
const inBare = (sql) => ask(sql, of());

before(async () => {
  if (skip) return;
  ask(`CREATE DATABASE ${DATABASE} TEMPLATE template0`);
  ask(`CREATE ROLE ${ROLE} LOGIN PASSWORD 'bare'`);
  // The same server without the extension, as a role that may see its own sessions alone.
  const demo = { ...site.demo, postgresUrl: of({ username: ROLE, password: "bare" }), redisUrl: null };
  bare = await serve({ ...site, demo }, "missing", { config: `[[targets]]\nid = "bare"\ndatabase_url = "${demo.postgresUrl}"\n` });
  await until("the console knows what it cannot read", async () => {
    const { data } = await (await fetch(`${bare.url}/api/v1/targets`)).json();
    return ["pg_stat_statements", "GRANT"].every((words) => data[0].limitations.some(({ remedy }) => remedy.includes(words)));
  }, { within: 60_000 });
});

after(async () => {
  if (skip) return;
  await bare?.stop();
  ask(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`);
  ask(`DROP ROLE IF EXISTS ${ROLE}`);
});

/** The text of a page. */
async function told(t, path) {
  const page = await openAlive(t, path, { base: bare.url });
  const text = await page.getByRole("main").innerText();
  assert.deepEqual(page.problems, []);
  return text;
}

test("without the extension Queries and Indexes name the statement that brings it", { skip }, async (t) => {
  assert.match(await told(t, "/queries"), /CREATE EXTENSION (IF NOT EXISTS )?pg_stat_statements/);
  assert.match(await told(t, "/indexes"), /CREATE EXTENSION (IF NOT EXISTS )?pg_stat_statements/);
});

test("without rights Connections, Locks and Tables name the grant", { skip }, async (t) => {
  for (const path of ["/connections", "/locks", "/tables"]) {
    assert.match(await told(t, path), new RegExp(`GRANT pg_(monitor|read_all_stats) TO "${ROLE}"`), path);
  }
});

test("what the pages name helps", { skip }, async (t) => {
  ask(`GRANT pg_monitor TO "${ROLE}"`);
  inBare("CREATE EXTENSION pg_stat_statements");
  await until("statements are listed", async () => {
    inBare("SELECT count(*) FROM pg_class WHERE relname LIKE 'pg_stat%'");
    const { data } = await (await fetch(`${bare.url}/api/v1/database/statements?text=relname`)).json();
    return data.length > 0;
  }, { within: 150_000, every: 2000 });
  const text = await told(t, "/queries");
  assert.match(text, /pg_class/);
  assert.doesNotMatch(text, /CREATE EXTENSION pg_stat_statements;/);
  assert.doesNotMatch(await told(t, "/locks"), /GRANT/);
});

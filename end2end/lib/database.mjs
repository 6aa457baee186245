// The database's own answer, by psql where it is installed.

import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { site } from "./site.mjs";
import { until } from "./wait.mjs";

const beside = join(site.demo.postgresBin, "psql");
const psql = existsSync(beside) ? beside : "psql";

/** Whether psql is there. PostgreSQL from npm comes without it. */
export const hasPsql = (() => {
  try {
    execFileSync(psql, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** One value, of the demo's database unless another is named. */
export const ask = (sql, url = site.demo.postgresUrl) => execFileSync(psql, [url, "-XAtc", sql], { encoding: "utf8" }).trim();

/** Stops the demo's PostgreSQL, or starts it again: the demo's own switch. */
export const togglePostgres = () => process.kill(site.demo.pid, "SIGUSR1");

/** An ordinary role that may do what the shop may: nobody but a superuser ends the session of one. */
function visitor() {
  ask("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'visitor') THEN CREATE ROLE visitor LOGIN PASSWORD 'visitor' IN ROLE shop; END IF; END $$");
  const url = new URL(site.demo.postgresUrl);
  [url.username, url.password] = ["visitor", "visitor"];
  return url.href;
}

/**
 * A session of its own that runs `sql` and stays connected until the test `t` ends: `done(text)` waits for what psql says,
 * `ended()` until it is gone.
 */
export function connect(t, application, sql) {
  const env = { ...process.env, PGAPPNAME: application };
  const child = spawn(psql, [visitor(), "-XAt"], { env, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  child.stdin.on("error", () => {}); // psql may end before its input does
  child.stdin.write(`${sql}\n`);
  t.after(() => child.kill("SIGKILL"));
  return {
    done: (text) => until(`${application} says "${text}"`, async () => said.includes(text)),
    ended: async () => {
      child.stdin.write("SELECT 1;\n");
      await until(`${application} has lost its connection`, async () => /terminating connection|server closed the connection/.test(said));
    },
  };
}

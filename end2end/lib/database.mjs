// The database's own answer, by psql where it is installed.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { site } from "./site.mjs";

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

/** One value. */
export const ask = (sql) => execFileSync(psql, [site.demo.postgresUrl, "-XAtc", sql], { encoding: "utf8" }).trim();

/** Stops the demo's PostgreSQL, or starts it again: the demo's own switch. */
export const togglePostgres = () => process.kill(site.demo.pid, "SIGUSR1");

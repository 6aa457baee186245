// Percentiles of single statements, estimated from means and deviations, against the truth: every transaction of pgbench with
// its time, as pgbench's own log tells it.
//
//   node end2end/bench/run.mjs --section percentiles

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { freePort } from "../lib/console.mjs";
import { until } from "../lib/wait.mjs";
import { figure } from "./lib/report.mjs";
import { has, output, ready, start, stop } from "./lib/stage.mjs";

const RUN_MS_MAX = 10 * 60_000;
/** Rows of pgbench_accounts at scale 1. */
const ROWS = 100_000;

/** What is run: one statement a transaction, so that the time of the one is that of the other. `find` names it in the list. */
const SCENARIOS = [
  {
    name: "a range of an index, always as long",
    find: "FROM pgbench_accounts WHERE aid BETWEEN",
    script: `\\set a random(1, ${ROWS - 20000})\nSELECT sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN :a AND :a + 19999;\n`,
  },
  {
    name: "a range of an index, 1,000 to 40,000 rows",
    find: "FROM pgbench_accounts WHERE bid = ",
    script: `\\set n random(1000, 40000)\n\\set a random(1, ${ROWS} - :n)\n\\set b :a + :n\nSELECT sum(abalance) FROM pgbench_accounts WHERE bid = 1 AND aid BETWEEN :a AND :b;\n`,
  },
  {
    name: "exponential times",
    find: "exponential",
    script: "\\set us random_exponential(500, 60000, 8)\nSELECT exponential(:us);\n",
  },
  {
    name: "two ways: nine of ten fast, one 20 times slower",
    find: "two_ways",
    script: "\\set us case when random(1, 10) = 1 then 40000 else 2000 end\nSELECT two_ways(:us);\n",
  },
  {
    name: "eight clients change one row",
    find: "UPDATE pgbench_branches",
    clients: 8,
    script: "UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;\n",
  },
];
// What sleeps does so in functions: a statement of its own each, told apart by name.
const FUNCTIONS = ["exponential", "two_ways"].map(
  (name) => `CREATE FUNCTION ${name}(us int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(us / 1e6); RETURN us; END $$;`,
);

/** The value below which a share of sorted values lie. */
const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];

/** What one log-normal of this mean and deviation would say, whatever the rule says of it. */
function logNormal(mean, deviation, z) {
  const variance = Math.log(1 + (deviation / mean) ** 2);
  return Math.exp(Math.log(mean) - variance / 2 + z * Math.sqrt(variance));
}

/** Runs a script and answers the times of its transactions in milliseconds, sorted. */
async function truth({ pgbench, url, folder, scenario, seconds, cores }) {
  const name = scenario.find.replace(/\W+/g, "-");
  const script = join(folder, `${name}.sql`);
  writeFileSync(script, scenario.script);
  const clients = scenario.clients ?? 2;
  const args = ["-n", "-M", "prepared", "-c", String(clients), "-j", "1", "-T", String(seconds), "-f", script, "-l", `--log-prefix=${join(folder, name)}`, url];
  await output(pgbench, args, { limitMs: RUN_MS_MAX, cores });
  const logs = readdirSync(folder).filter((file) => file.startsWith(`${name}.`) && !file.endsWith(".sql"));
  const times = logs.flatMap((file) => readFileSync(join(folder, file), "utf8").trim().split("\n").map((line) => Number(line.split(" ")[2]) / 1000));
  return times.sort((a, b) => a - b);
}

export async function measure(run) {
  const { target, work, quick, say } = run;
  const sandbox = resolve(process.env.HEADROOM_SANDBOX ?? join(target, "debug/headroom-sandbox"));
  const headroom = existsSync(run.binary) ? run.binary : join(target, "debug/headroom");
  for (const [program, target] of [[sandbox, "make build"], [headroom, "make build"]]) {
    if (!existsSync(program)) return { missing: `${program} is missing: run \`${target}\`` };
  }
  const folder = join(work, "percentiles");
  mkdirSync(folder, { recursive: true });
  const log = join(work, "percentiles-servers.log");
  const servers = start(sandbox, [], { log, env: {} });
  const said = () => Object.fromEntries(readFileSync(log, "utf8").split("\n").filter((line) => line.includes("=")).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  await ready(servers, "the servers", async () => "PATH" in said());
  const { DATABASE_URL: url, PATH: path } = said();
  const bin = path.split(":")[0];
  const pgbench = [join(bin, "pgbench"), "/usr/bin/pgbench"].find(existsSync) ?? "pgbench";
  if (!has(pgbench)) {
    await stop(servers);
    return { missing: "pgbench is not installed" };
  }
  const psql = [join(bin, "psql"), "/usr/bin/psql"].find(existsSync) ?? "psql";
  await output(psql, ["-q", "-v", "ON_ERROR_STOP=1", "-c", `CREATE EXTENSION IF NOT EXISTS pg_stat_statements; ${FUNCTIONS.join(" ")}`, url], { limitMs: 60_000 });
  await output(pgbench, ["-i", "-q", "-s", "1", url], { limitMs: RUN_MS_MAX });
  const listen = `127.0.0.1:${await freePort()}`;
  const serve = start(headroom, ["serve", "--listen", listen, "--data-dir", join(work, "percentiles-serve")], {
    log: join(work, "percentiles-serve.log"),
    env: { DATABASE_URL: url, REDIS_URL: "" },
  });
  try {
    const api = async (what) => (await (await fetch(`http://${listen}/api/v1${what}`)).json()).data;
    const ask = (sql) => output(psql, ["-q", "-A", "-t", "-c", sql, url], { limitMs: 60_000 });
    // What runs before the second reading is not counted.
    await ready(serve, "headroom serve", async () => {
      await ask("SELECT count(*) FROM pgbench_tellers");
      return (await api("/database/statements")).length > 0;
    });
    const seconds = quick ? 8 : 45;
    const rows = [];
    for (const scenario of SCENARIOS) {
      say(`percentiles: ${scenario.name}`);
      const from = Date.now();
      const times = await truth({ pgbench, url, folder, scenario, seconds, cores: run.cores.asking });
      // The last calls are read with the next sample.
      const query = `/database/statements?from=${from}&limit=100&text=${encodeURIComponent(scenario.find)}`;
      const found = await until(`all calls of "${scenario.name}"`, async () => {
        const [row] = await api(query);
        return row?.stats.calls >= times.length * 0.99 && row;
      }, { within: 60_000, every: 1000 });
      const { statement, noEstimate } = await api(`/database/statements/${found.queryId}?from=${from}`);
      const { meanMs, deviationMs, p95Ms, p99Ms, calls } = statement.stats;
      rows.push({
        name: scenario.name,
        calls,
        logged: times.length,
        meanMs,
        variation: deviationMs / meanMs,
        truth: [0.95, 0.99].map((share) => quantile(times, share)),
        shown: [p95Ms, p99Ms],
        unruled: [1.644854, 2.326348].map((z) => logNormal(meanMs, deviationMs, z)),
        noEstimate,
      });
    }
    return { rows, seconds };
  } finally {
    await stop(serve);
    await stop(servers);
  }
}

const ms = (value) => (value === null ? "–" : `${figure(value)} ms`);
const off = (value, truth) => (value === null ? "hidden" : `${value >= truth ? "+" : "−"}${figure((100 * Math.abs(value - truth)) / truth)} %`);

/** The section of the page. */
export function section({ rows, seconds }) {
  const cells = rows.map(({ name, calls, variation, truth, shown, unruled }) =>
    [name, calls.toLocaleString("en-US"), variation.toFixed(2), ...[0, 1].flatMap((at) => [ms(truth[at]), off(shown[at], truth[at]), off(unruled[at], truth[at])])].join(" | "),
  );
  const shownOff = rows.flatMap(({ truth, shown }) => shown.map((value, at) => (value === null ? [] : [Math.abs(value - truth[at]) / truth[at]])).flat());
  const hiddenOff = rows.flatMap(({ truth, shown, unruled }) => shown.map((value, at) => (value === null ? [Math.abs(unruled[at] - truth[at]) / truth[at]] : [])).flat());
  const worst = (values) => (values.length > 0 ? `${figure(100 * Math.max(...values))} %` : "–");
  return `## Percentiles of statements

\`node end2end/bench/run.mjs --section percentiles\`: pgbench runs one statement a transaction for ${seconds} s, and its log has the time of
each; the console has calls, mean and deviation of each reading, as pg_stat_statements counts them, and takes each minute as one
log-normal. Where the deviation is above the mean in more than a tenth of the calls, the console shows no percentile (*hidden*); the last column of each pair is
what one log-normal would have said without that rule. pgbench's times hold the way to the server and back, so estimates may lie
below them by as much.

| What is run | calls | deviation / mean | p95, truth | estimate | without the rule | p99, truth | estimate | without the rule |
| --- | --: | --: | --: | --: | --: | --: | --: | --: |
${cells.map((row) => `| ${row} |`).join("\n")}

Furthest off of what is shown: ${worst(shownOff)}; of what is hidden: ${worst(hiddenOff)}.`;
}

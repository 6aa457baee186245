// What watching costs beside prometheus-postgres-exporter: resident memory and CPU of the watcher, and CPU of its backends
// on the target, over the same server under the demo's workload. Figures come from /proc, so they are the kernel's.

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../lib/console.mjs";
import { figure } from "./lib/report.mjs";
import { has, ready, start, startDemo, stop } from "./lib/stage.mjs";

const EXPORTER = "prometheus-postgres-exporter";
/** Past the first heavy collection. */
const SETTLE_MS = 10_000;
/** What Prometheus does unless told otherwise, and what comes near to our own pace. */
const SCRAPES_MS = [15_000, 5_000];
const ROUNDS = 2;
/** How often backends are counted, so that those that come and go are seen. */
const LOOK_MS = 250;
/** Clock ticks a second, on Linux. */
const TICKS = 100;

// The exporter as Debian ships it reads no statements; its users give it this query, so that both see them.
const QUERIES = `pg_stat_statements:
  query: "SELECT pg_get_userbyid(userid) AS usename, queryid::text AS queryid, calls, total_exec_time / 1000 AS seconds, rows,
    shared_blks_read, shared_blks_hit, temp_blks_written FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
  metrics:
    - usename: { usage: "LABEL", description: "Role" }
    - queryid: { usage: "LABEL", description: "Statement" }
    - calls: { usage: "COUNTER", description: "Calls" }
    - seconds: { usage: "COUNTER", description: "Execution time" }
    - rows: { usage: "COUNTER", description: "Rows" }
    - shared_blks_read: { usage: "COUNTER", description: "Blocks read" }
    - shared_blks_hit: { usage: "COUNTER", description: "Blocks hit" }
    - temp_blks_written: { usage: "COUNTER", description: "Temporary blocks written" }
`;

// utime + stime.
function ticks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
const field = (pid, name) => new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
const residentMib = (pid) => Number(field(pid, "VmRSS")) / 1024;

/** Processes of a PostgreSQL that serve `role`: their titles begin with it. */
function backendsOf(postmaster, role) {
  const ours = (pid) => {
    try {
      return field(pid, "PPid") === String(postmaster) && readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(`postgres: ${role} `);
    } catch {
      return false; // it has ended meanwhile
    }
  };
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && ours(name)).map(Number);
}

/** CPU of all backends of a role since the beginning, those included that have ended: less than a look of each is missed. */
function watchBackends(demo, role) {
  const seen = new Map();
  // Who comes later has used nothing before.
  const look = (isFirst = false) => {
    for (const pid of backendsOf(demo.postgresPid, role)) {
      try {
        const last = ticks(pid);
        seen.set(pid, { first: seen.get(pid)?.first ?? (isFirst ? last : 0), last });
      } catch {
        // it has ended meanwhile; what it had used at the last look counts
      }
    }
  };
  look(true);
  const timer = setInterval(look, LOOK_MS);
  return () => {
    clearInterval(timer);
    look();
    const used = [...seen.values()].reduce((sum, { first, last }) => sum + last - first, 0);
    return { ticks: used, backends: backendsOf(demo.postgresPid, role).length, came: seen.size };
  };
}

/** Runs a watcher for a while; `each` is done every `everyMs`. Other watchers with this role are not running meanwhile. */
async function phase(run, demo, child, { each, everyMs }) {
  const role = new URL(demo.postgresUrl).username;
  await sleep(SETTLE_MS);
  const done = watchBackends(demo, role);
  const [cpu0, t0] = [ticks(child.pid), performance.now()];
  const until = t0 + (run.quick ? 3_000 : 60_000);
  while (performance.now() < until) {
    await each?.();
    await sleep(Math.max(0, Math.min(everyMs ?? 1_000, until - performance.now())));
  }
  const seconds = (performance.now() - t0) / 1000;
  const perHour = (used) => ((used / TICKS) * 3600) / seconds;
  const { ticks: used, backends, came } = done();
  return { seconds, residentMib: residentMib(child.pid), cpuPerHour: perHour(ticks(child.pid) - cpu0), targetPerHour: perHour(used), backends, came };
}

async function headroom(run, demo, round) {
  const listen = `127.0.0.1:${await freePort()}`;
  const url = `http://${listen}`;
  const child = start(run.binary, ["serve", "--listen", listen, "--data-dir", join(run.work, `cost-serve-${round}`)], {
    log: join(run.work, "cost-serve.log"),
    env: { DATABASE_URL: demo.postgresUrl, REDIS_URL: "" },
  });
  try {
    await ready(child, "headroom serve", async () => (await fetch(`${url}/api/v1/ready`)).ok);
    const found = await phase(run, demo, child, {});
    const current = (await (await fetch(`${url}/api/v1/metrics/current`)).json()).data;
    return { ...found, ownFigurePercent: current.figures?.["self.target_load"] ?? null };
  } finally {
    await stop(child);
  }
}

async function exporter(run, demo, { everyMs, statements }) {
  const listen = `127.0.0.1:${await freePort()}`;
  const queries = join(run.work, "exporter-queries.yaml");
  writeFileSync(queries, QUERIES);
  const args = [`--web.listen-address=${listen}`, ...(statements ? [`--extend.query-path=${queries}`] : [])];
  const name = `${demo.postgresUrl}${demo.postgresUrl.includes("?") ? "&" : "?"}sslmode=disable`;
  const child = start(EXPORTER, args, { log: join(run.work, "exporter.log"), env: { DATA_SOURCE_NAME: name } });
  const scrape = async () => {
    const answer = await fetch(`http://${listen}/metrics`);
    const text = await answer.text();
    if (!answer.ok || !/^pg_up 1$/m.test(text)) throw new Error(`${EXPORTER} does not reach PostgreSQL`);
    if (statements && !/^pg_stat_statements_calls/m.test(text)) throw new Error(`${EXPORTER} reads no statements`);
    return text.split("\n").filter((line) => line.startsWith("pg_")).length;
  };
  try {
    await ready(child, EXPORTER, async () => (await scrape().catch(() => 0)) > 0);
    return { ...(await phase(run, demo, child, { each: scrape, everyMs })), series: await scrape() };
  } finally {
    await stop(child);
  }
}

/** Of the values that are known; null where none is. */
function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}
const together = (rounds) => Object.fromEntries(Object.keys(rounds[0]).map((key) => [key, mean(rounds.map((round) => round[key]))]));

export async function measure(run) {
  if (!existsSync(run.binary)) return { missing: `${run.binary} is missing: run \`make release\`` };
  if (!has(EXPORTER)) return { missing: `${EXPORTER} is not installed` };
  const demo = await startDemo(run, "cost-demo", { pace: 1 });
  const watchers = [
    ["Headroom", (round) => headroom(run, demo, round)],
    [`exporter as packaged, scraped every ${SCRAPES_MS[0] / 1000} s`, () => exporter(run, demo, { everyMs: SCRAPES_MS[0], statements: false })],
    ...SCRAPES_MS.map((everyMs) => [`exporter with statements, scraped every ${everyMs / 1000} s`, () => exporter(run, demo, { everyMs, statements: true })]),
  ];
  try {
    const rounds = watchers.map(() => []);
    for (let round = 0; round < (run.quick ? 1 : ROUNDS); round += 1) {
      for (const [n, [name, watch]] of watchers.entries()) {
        run.say(`round ${round + 1}: ${name}`);
        rounds[n].push(await watch(round));
      }
    }
    const rows = watchers.map(([name], n) => ({ name, ...together(rounds[n]) }));
    return { rows, rounds: rounds[0].length, postgres: demo.postgresVersion };
  } finally {
    await stop(demo.child);
  }
}

/** The section of docs/benchmarks.md. */
export function section({ rows, rounds, postgres }) {
  const [ours] = rows;
  const times = (row, key) => (row === ours ? "" : ` (${(ours[key] / row[key]).toFixed(2)}×)`);
  const seconds = (row, key) => `${figure(row[key])} s${times(row, key)}`;
  const line = (row) => [row.name, `${figure(row.residentMib)} MiB`, seconds(row, "cpuPerHour"), seconds(row, "targetPerHour"), `${figure(row.backends)}${row.came > row.backends ? `, ${figure(row.came)} came` : ""}`];
  return `## Cost of watching

| | Resident memory | CPU of the watcher, an hour | CPU of its backends on the target, an hour | Sessions |
|---|--:|--:|--:|--:|
${rows.map((row) => `| ${line(row).join(" | ")} |`).join("\n")}

In brackets: Headroom's figure divided by this one. PostgreSQL ${postgres} of the demo with its workload; one watcher at a time, in turns,
${figure(ours.seconds)} s each after its start, mean of ${rounds}; figures of the kernel (/proc), by 1/${TICKS} s. Headroom samples every 5 s, looks at what sessions
wait for every second, reads statements, tables and locks, keeps their history, scores and serves pages; the exporter answers ${figure(rows[1].series)}
series a scrape (${figure(rows.at(-1).series)} with statements) and keeps nothing: what Prometheus needs to store and compute comes on top. Headroom's own
figure of its load on the target, \`self.target_load\`: ${ours.ownFigurePercent === null ? "not known" : `${figure(ours.ownFigurePercent)} %`}.
`;
}

// The connection pool beside sqlx's own and deadpool over the same driver, on a private PostgreSQL.

import { output } from "./lib/stage.mjs";
import { join } from "node:path";

const BUILD_MS_MAX = 45 * 60_000;
const RUN_MS_MAX = 10 * 60_000;

/** Builds and runs the example of the engine. Quick runs what `cargo test` builds anyway. */
export async function measure(run) {
  const profile = run.quick ? [] : ["--release"];
  const args = ["build", "--quiet", "-p", "headroom-engine", "--example", "pool", ...profile];
  run.say("building the pool's benchmark");
  await output("cargo", args, { limitMs: BUILD_MS_MAX, env: { CARGO_TARGET_DIR: run.target } });
  const binary = join(run.target, run.quick ? "debug" : "release", "examples/pool");
  const text = await output(binary, run.quick ? ["--quick"] : [], { limitMs: RUN_MS_MAX });
  return { ...JSON.parse(text), quick: run.quick };
}

const micros = (value) => (value < 10 ? `${value.toFixed(2)} µs` : `${Math.round(value)} µs`);
const times = (a, b) => `${(a / b).toFixed(2)}×`;

/** The section of docs/benchmarks.md. */
export function section(found) {
  const { statementMicros: statement, bareMicros: bare, leftOpen } = found;
  const rows = [
    ["Acquire, `SELECT 1`, give back; median", micros(statement.ours), "sqlx's pool", micros(statement.sqlx), times(statement.ours, statement.sqlx), statement.ours <= 1.03 * statement.sqlx ? "≤ 1.03×: met" : "≤ 1.03×: missed"],
    ["", micros(statement.ours), "sqlx's pool, no test before", micros(statement.sqlxUntested), times(statement.ours, statement.sqlxUntested), ""],
    ["", micros(statement.ours), "deadpool, same driver", micros(statement.deadpool), times(statement.ours, statement.deadpool), ""],
    ["Acquire and give back, nothing asked; median", micros(bare.ours), "sqlx's pool", micros(bare.sqlx), times(bare.ours, bare.sqlx), ""],
    ["Books of an acquire (holders, histograms), as a share of one with a statement", micros(found.booksMicros), "sqlx's pool", micros(statement.sqlx), `${((100 * found.booksMicros) / statement.sqlx).toFixed(1)} %`, found.booksMicros <= 0.03 * statement.sqlx ? "≤ 3 %: met" : "≤ 3 %: missed"],
    [`Leak told after (limit ${found.leakAfterSecs} s)`, `${found.leakToldSecs.toFixed(2)} s`, "", "", "", found.leakToldSecs <= found.leakAfterSecs + 1 ? "limit + 1 s: met" : "limit + 1 s: missed"],
    [`Sessions left in a transaction by ${found.storms.toLocaleString("en")} cut acquires and begins`, `${leftOpen.ours}`, "sqlx's pool", `${leftOpen.sqlx}`, "", leftOpen.ours === 0 ? "0: met" : "0: missed"],
  ];
  return `## Connection pool

| What | Headroom | Peer | Peer's figure | Ratio | Goal |
|---|---|---|---|---|---|
${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}

One caller, pools of four connections, taken in turns, ${found.rounds.toLocaleString("en")} rounds on PostgreSQL ${found.postgres}. sqlx's pool asks a
connection whether it lives before it lends it; Headroom's asks one that was idle for half a second or whose neighbour broke, and asks each that
comes back whether it is inside a transaction, beside the caller. That question is a round trip of the server's, though not of the caller's.
`;
}

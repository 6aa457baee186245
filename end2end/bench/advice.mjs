// Advice about indexes on a workload of ours: what it promises, and what the planner and the clock say afterwards.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

/** Runs the engine's own example, built in the same way as the binary. */
export async function measure({ target, quick }) {
  const example = resolve(process.env.HEADROOM_INDEX_ADVICE ?? join(target, "release/examples/index_advice"));
  if (!existsSync(example)) {
    return { missing: `${example} is missing: cargo build --release --package headroom-engine --example index_advice` };
  }
  const { stdout } = await promisify(execFile)(example, [quick ? "20000" : "400000"], { maxBuffer: 1 << 20 });
  return JSON.parse(stdout);
}

const exact = (value) => Math.round(value).toLocaleString("en-US");
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const ms = (value) => `${value >= 100 ? Math.round(value) : value.toFixed(value < 1 ? 2 : 1)} ms`;
const sum = (rows, key) => rows.reduce((all, row) => all + row[key], 0);

/** The section of the page. */
export function section(found) {
  const before = sum(found.statements, "costBefore");
  const after = sum(found.statements, "costAfter");
  const steps = found.steps.map(
    (step) =>
      `| \`${step.index}\` ${step.keys} | ${step.round} | ${step.proven ? "planner" : "estimate"} | ${exact(step.costBefore)} | ${exact(step.costAfter)} | ${(100 * step.promisedSaving).toFixed(1)} % | ${mib(step.sizeEstimated)} / ${step.size ? mib(step.size) : "–"} | ${ms(step.buildEstimatedMs)} / ${ms(step.buildMs)} |`,
  );
  const statements = found.statements.map(
    (it) => `| \`${it.sql.replaceAll("|", "\\|")}\` | ${it.times} | ${exact(it.costBefore)} | ${exact(it.costAfter)} | ${ms(it.meanBeforeMs)} | ${ms(it.meanAfterMs)} |`,
  );
  return `## Index advice

\`server/engine/examples/index_advice.rs\`: ${found.statements.length} statements over five tables (${exact(found.rows)} orders) without any index beside the primary keys, on
PostgreSQL ${found.postgres} ${found.hypopg ? "with" : "without"} hypopg. Every suggestion was created through the console, one after another, round after round until none was left, and all statements
were explained anew after each. Planner cost of a round of the workload: **${exact(before)} before, ${exact(after)} after** (${(100 * (1 - after / before)).toFixed(1)} % less). After ${found.rounds} rounds
${found.leftAfterwards} were left; the last one rejected ${found.rejected} candidates with their reason.

| Index | Round | Proof | Cost of a round before | after | Saving promised on its statements | Size, estimated / real | Build, estimated / real |
|---|--:|---|--:|--:|--:|--:|--:|
${steps.join("\n")}

| Statement | Times a round | Cost before | after | Mean before | after |
|---|--:|--:|--:|--:|--:|
${statements.join("\n")}
`;
}

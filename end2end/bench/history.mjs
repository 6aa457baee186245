// History at scale: what three targets take in either store, and how fast pages read it back.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

/** What a page may take, by range. */
const GOALS = { "7 days": 100, "25 months": 200 };

/** Runs the store's own example, built in the same way as the binary. */
export async function measure({ target, quick }) {
  const example = resolve(process.env.HEADROOM_HISTORY_SPEED ?? join(target, "release/examples/history_speed"));
  if (!existsSync(example)) {
    return { missing: `${example} is missing: cargo build --release --package headroom-engine --example history_speed` };
  }
  const { stdout } = await promisify(execFile)(example, [quick ? "1" : "3"], { maxBuffer: 1 << 20 });
  return JSON.parse(stdout);
}

const exact = (value) => Math.round(value).toLocaleString("en-US");
const ms = (value) => `${value >= 100 ? Math.round(value) : value.toFixed(1)} ms`;

/** The section of the page. */
export function section(found) {
  const rows = found.stores.flatMap(({ backend, queries }) =>
    queries.map(({ range, points, p50Ms, p95Ms, mostMs }) => {
      const goal = GOALS[range];
      const met = goal ? `p95 < ${goal} ms: ${p95Ms < goal ? "met" : "missed"}` : "";
      return `| ${backend} | ${range} | ${exact(points)} | ${ms(p50Ms)} | ${ms(p95Ms)} | ${ms(mostMs)} | ${met} |`;
    }),
  );
  const upkeep = found.stores.map(({ backend, bytes, mergeMs, pruned, countMs }) => {
    const gib = `${(bytes / 2 ** 30).toFixed(2)} GiB`;
    return `| ${backend} | ${gib} | ${(bytes / found.rows).toFixed(0)} | ${ms(mergeMs)} | ${exact(pruned.rows)} rows in ${ms(pruned.ms)}, ${pruned.rounds} rounds | ${ms(pruned.longestRoundMs)} | ${ms(pruned.idleMs)} | ${ms(countMs)} |`;
  });
  return `## History

\`server/engine/examples/history_speed.rs\`: ${found.targets} targets, all ${found.catalogue} metrics of the catalogue, 30 days of minutes and 25 months of hours:
${exact(found.rows)} rows. A question is what \`GET /api/v1/history\` does for Trends: ${found.metrics} metrics of one target at up to 1,500 points, the start of its
history, its imported stretches, and the answer as JSON, without the network. ${found.rounds} questions each, of other metrics and targets in turn; 7 days
lie anywhere in the 30.

| Store | Range | Points each | p50 | p95 | most | goal |
|---|---|--:|--:|--:|--:|---|
${rows.join("\n")}

| Store | Size | Bytes a row | Merging a minute of all metrics | Pruning after a day without a console | Longest round | Nothing to prune | Counting all rows |
|---|--:|--:|--:|---|--:|--:|--:|
${upkeep.join("\n")}
`;
}

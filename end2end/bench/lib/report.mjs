// What was measured, as a page: one table with ratios, then how each line came about.

import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

const COMMAND = "make bench";

/** Three significant digits, thousands with a comma. */
export function figure(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: digits });
}
const exact = (value) => value.toLocaleString("en-US");
const ns = (value) => (value >= 10_000 ? `${figure(value / 1000)} µs` : `${figure(value)} ns`);
const us = (value) => (value >= 1_000 ? `${figure(value / 1000)} ms` : `${figure(value)} µs`);
const times = (ratio) => `${ratio.toFixed(2)}×`;

/** A line of the table. `goal` is [the words, whether it is met]. */
const line = (what, ours, peer, theirs, ratio, goal) => ({ what, ours, peer, theirs, ratio, goal });
const atMost = (ratio, limit) => [`≤ ${limit}×`, ratio <= limit];
const named = (rows, name) => rows.find((row) => row.name === name);

/** Our first row against each of the others, median by median. */
function against(what, rows, goals) {
  const [ours, ...peers] = rows;
  return peers.map((peer) => {
    const ratio = ours.p50Ns / peer.p50Ns;
    const cell = (row) => `${ns(row.p50Ns)}, p99 ${ns(row.p99Ns)}`;
    const limit = goals.find(([name]) => peer.name.startsWith(name))?.[1];
    return line(what, cell(ours), peer.name, cell(peer), times(ratio), limit ? atMost(ratio, limit) : undefined);
  });
}

function cacheLines(cache, node) {
  if (cache.missing) return [];
  const memory = [...cache.memory, ...(node.rows ?? [])];
  const [ours, moka] = [memory[0], named(memory, "moka get")];
  const [headroom, amalgam] = cache.stampede.rows;
  const cell = (row) => `${figure(row.callsTotal / cache.stampede.trials)}, last answer ${figure(row.lastAnswerMsP50)} ms`;
  return [
    ...against("Hit in memory, tiered", memory, [["amalgam-cache", 0.8], ["bentocache", 0.2]]),
    // moka's own upkeep allocates now and then; the rest would be ours.
    line("Hit in memory: allocations a call", ours.allocations.toFixed(3), moka.name, moka.allocations.toFixed(3), "", ["no more", ours.allocations < moka.allocations + 0.005]),
    ...against("Read from Redis, memory left out", cache.redis, [["GET through", 1.15]]),
    line(
      `Calls of the origin for one cold key, ${cache.stampede.instances} instances × ${cache.stampede.callers} callers`,
      cell(headroom),
      amalgam.name,
      cell(amalgam),
      times(headroom.lastAnswerMsP50 / amalgam.lastAnswerMsP50),
      ["1 call each time", headroom.callsMax === 1 && headroom.callsTotal === cache.stampede.trials],
    ),
  ];
}

function httpLines(http) {
  if (http.missing) return [];
  return http.rows.flatMap(({ payload, load, servers: [ours, ...peers] }) =>
    peers.flatMap((peer) => {
      const what = `HTTP hit, ${payload}, ${load}`;
      const [rate, tail] = [ours.perSecond / peer.perSecond, ours.p99Us / peer.p99Us];
      const perSecond = (server) => `${figure(server.perSecond)} /s${server.errors > 0 ? `, ${server.errors} errors` : ""}`;
      const goal = peer.name === "nginx";
      // Paced, both should answer as many; how many they did stands beside it.
      const wait = (server) => us(server.p99Us) + (load === "paced" ? ` at ${perSecond(server)}` : "");
      const tails = line(`${what}: p99`, wait(ours), peer.name, wait(peer), times(tail), goal ? ["< 1.0×", tail < 1] : undefined);
      if (load === "paced") return [tails];
      const rates = line(`${what}: requests`, perSecond(ours), peer.name, perSecond(peer), times(rate), goal ? ["≥ 1.0×", rate >= 1] : undefined);
      return [rates, tails];
    }),
  );
}

function outageLines(outage) {
  if (outage.missing) return [];
  const { steady, outage: during, after } = outage;
  const ratio = during.loadsPerSecond / steady.loadsPerSecond;
  return [
    line(`Redis away for ${outage.seconds} s: failed requests`, `${figure(during.errors)} of ${figure(during.requests)}`, "before", `${figure(steady.errors)} of ${figure(steady.requests)}`, "", ["0", during.errors === 0]),
    line("Redis away: calls of the origin", `${figure(during.loadsPerSecond)} /s`, "before", `${figure(steady.loadsPerSecond)} /s`, times(ratio), atMost(ratio, 1.2)),
    line("Redis away: p99 of a request", `${figure(during.p99Ms)} ms`, "before", `${figure(steady.p99Ms)} ms`, times(during.p99Ms / steady.p99Ms)),
    line("Redis back: failed requests", `${figure(after.errors)} of ${figure(after.requests)}`, "", "", "", ["0", after.errors === 0]),
    line("Redis back: until both consoles use it", `${figure(outage.healSeconds)} s`),
  ];
}

function frameLines(frames) {
  if (frames.missing) return [];
  const { ours, theirs, charts, points } = frames;
  const what = `Trends, cursor over ${charts} charts × ${exact(points)} points`;
  const peer = `${frames.peers} connected ECharts`;
  return [
    line(`${what}: frames a second`, figure(ours.perSecond), peer, figure(theirs.perSecond), times(ours.perSecond / theirs.perSecond), ["> 50", ours.perSecond > 50]),
    line(`${what}: p95 between frames`, `${figure(ours.p95Ms)} ms`, peer, `${figure(theirs.p95Ms)} ms`, times(ours.p95Ms / theirs.p95Ms)),
  ];
}

/** Every line of what was measured. */
export function lines({ cache, node, http, outage, frames }) {
  return [...cacheLines(cache, node), ...httpLines(http), ...outageLines(outage), ...frameLines(frames)];
}

/** What was not measured, and why. */
export function gaps({ cache, node, http, outage, frames }) {
  const parts = { "caches in one process": cache, bentocache: node, "HTTP": http, "outage of Redis": outage, "frames on Trends": frames };
  const missing = Object.entries(parts).filter(([, part]) => part.missing).map(([name, part]) => [name, part.missing]);
  return [...missing, ...Object.entries(http.absent ?? {})];
}

export function table(all) {
  const goal = (it) => (it ? `${it[0]}: ${it[1] ? "met" : "missed"}` : "");
  const rows = all.map(({ what, ours, peer, theirs, ratio, goal: of }) => [what, ours, peer, theirs, ratio, goal(of)]);
  const head = ["", "Headroom", "against", "its figure", "ratio", "goal"];
  const write = (cells) => `| ${cells.map((cell) => cell ?? "").join(" | ")} |`;
  return [write(head), write(["---", "--:", "---", "--:", "--:", "---"]), ...rows.map(write)].join("\n");
}

/** What it was measured on. */
export function machine(run) {
  const [{ model }] = cpus();
  const kernel = `${process.platform === "linux" ? "Linux" : process.platform} ${release()}`;
  return `${cpus().length} × ${model.trim()}, ${figure(totalmem() / 2 ** 30)} GiB, ${kernel}, Node ${process.versions.node}${run.commit ? `; commit ${run.commit}` : ""}`;
}

/** The commit that was measured, marked where files differ from it; none outside a checkout. */
export function commit() {
  try {
    const git = (...args) => execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain", "--untracked-files=no") ? " with changes" : "");
  } catch {
    return null;
  }
}

function spread(rows) {
  return rows.map(({ name, lowestNs, highestNs }) => `${name} ${ns(lowestNs)} to ${ns(highestNs)}`).join("; ");
}

function howMemory({ cache, node }) {
  if (cache.missing) return "";
  return `## Caches in one process

\`end2end/bench/peers\`, one thread, ${exact(cache.keys)} keys read in turn, values of ${exact(cache.valueBytes)} bytes, nothing expires. Hits are timed 64
together, reads from Redis one by one. Turns alternate and a result is the median of the turns' medians (p99: of their p99).
Each answer is checked for its length, ours for the tier it came from too. Our counting of hot keys samples the accesses
and follows the traffic within a second, so 3 s of warming up come first.

- amalgam-cache ${cache.versions["amalgam-cache"]} has memory alone where it is asked for hits, and no tags unless the line says so. Its second tier
  packs with postcard, the fastest format it brings.
- moka ${cache.versions.moka} has our hasher and one time to live.
- bentocache ${node.versions?.bentocache ?? "(not measured)"} keeps values in memory as they are. It has a process of its own, right after the others.

"The same pool" is the engine's own, made as the cache makes it. One connection without a pool is the least that a GET
can take.

Medians of the turns, lowest to highest. In memory: ${spread([...cache.memory, ...(node.rows ?? [])])}. From Redis:
${spread(cache.redis)}.

In the stampede all callers ask at the same moment for a key that no tier has, and the origin takes ${cache.stampede.loadMs} ms. ${cache.stampede.trials} trials
each; the time is the median until the last of them is answered. Both caches have a shared Redis, amalgam-cache its
backplane and its distributed locker too.

`;
}

function howHttp({ http }, run) {
  if (http.missing) return "";
  const { answering, asking } = run.cores;
  const cores = answering ? `pinned to core${answering.length > 1 ? "s" : ""} ${answering.join(", ")}, wrk to ${asking.join(", ")}` : "not pinned: this machine has one core";
  const versions = Object.entries(http.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const bytes = http.rows.map(({ payload, bytes }) => `${payload}: ${exact(bytes)} bytes`).filter((it, at, all) => all.indexOf(it) === at);
  return `## HTTP

\`GET /api/v1/data/{dataset}\` without compression, over kept connections, from memory: X-Cache L1. The proxies keep the
console's own answers with its headers; the console is their origin, and its counters show that they did not ask it
while they were measured. Each server is ${cores}: nginx has as many workers
as cores, the console as many runtime threads, Varnish its threads on the same cores. All run at the same time on one
machine; the console goes on watching its target meanwhile, on the same core, whoever is measured. ${versions}; ${http.connections}
connections; ${bytes.join(", ")}.
Saturated: each connection asks again at once. Paced: it waits 10 to 30 ms first, which makes about 3,000 requests a second
of a server that has time left. Median of ${http.rounds} rounds of ${http.seconds} s, taken in turns.

`;
}

function howOutage({ outage }) {
  if (outage.missing) return "";
  const answers = (phase) => Object.entries(phase.from).sort().map(([from, count]) => `${from} ${figure(count)}`).join(", ");
  return `## Outage of Redis

Two consoles share the demo's Redis and are asked ${outage.perSecond} times a second for 108 pages in turn, by the clock, whatever the answers
take. Pages are fresh for 5 s and may stand in for 10 min; all were there before Redis stopped. Origin: statements that
ran on PostgreSQL. Answers before: ${answers(outage.steady)}. While Redis was away: ${answers(outage.outage)}. After:
${answers(outage.after)}, with ${figure(outage.after.loadsPerSecond)} calls of the origin a second.

`;
}

function howFrames({ frames }) {
  if (frames.missing) return "";
  const gap = (it) => `${figure(it.longestMs)} ms`;
  return `## Frames on Trends

\`end2end/bench/frames.mjs\`: Chromium ${frames.chromium}, headless, without a graphics card, a page of 1440 × 2000 pixels. The pointer goes
to and fro over one chart for ${frames.seconds} s; every chart, dot and figure at the cursor follows. Frames: DrawFrame in the browser's own
trace. Longest between two: ${gap(frames.ours)}; ECharts ${gap(frames.theirs)}. The ECharts beside it draw as many points as SVG with a
tooltip, joined by \`connect\`, as the other pages do. Decision 15.

`;
}

/** The whole page. */
export function page(results, run) {
  const missing = gaps(results).map(([name, why]) => `- ${name}: not measured: ${why}`);
  return `# Benchmarks

Written by \`${COMMAND}\` on ${new Date().toISOString().slice(0, 10)}; not edited by hand. One run on one machine; what is compared takes turns:
${machine(run)}.
A ratio is Headroom's figure divided by the peer's: below 1 is less time, above 1 is more requests. A goal that was missed says so.
${run.quick ? "\n**A quick run: it shows that everything works. Its figures mean nothing.**\n" : ""}
${table(lines(results))}
${missing.length > 0 ? `\n${missing.join("\n")}\n` : ""}
${howMemory(results)}${howHttp(results, run)}${howOutage(results)}${howFrames(results)}`.trimEnd() + "\n";
}

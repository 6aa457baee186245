// The benchmarks: the cache against its peers in process and over HTTP, an outage of Redis, frames a second on Trends, and
// the sections below. Prints one table with ratios and writes it to docs/benchmarks.md.
//
//   node end2end/bench/run.mjs [--quick] [--only cache,http,outage,frames,cost,forecast,history,percentiles,advice,pool]
//   node end2end/bench/run.mjs --section cost|forecast|history|percentiles|advice|pool
//
// --section measures one section that stands by itself and puts it into docs/benchmarks.md, whose other parts are kept.
// --quick takes two minutes and proves only that everything works; it and --only write to target/bench/ and leave docs/ alone.
// HEADROOM_BIN: another binary than the release build. Needs redis-server; peers that are missing are left out and named.
// Bounded: about 40 minutes once everything is built.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { workFolder } from "../lib/console.mjs";
import * as advice from "./advice.mjs";
import * as cache from "./cache.mjs";
import * as cost from "./cost.mjs";
import * as forecast from "./forecast.mjs";
import * as frames from "./frames.mjs";
import * as history from "./history.mjs";
import * as http from "./http.mjs";
import { commit, gaps, lines, machine, page, table } from "./lib/report.mjs";
import { withSection, withSectionsOf } from "./lib/sections.mjs";
import { has, splitCores, startDemo, stopAll } from "./lib/stage.mjs";
import * as outage from "./outage.mjs";
import * as percentiles from "./percentiles.mjs";
import * as pool from "./pool.mjs";

// Debian keeps nginx and Varnish where a user's PATH does not look.
process.env.PATH += ":/usr/sbin";

/** Sections that stand by themselves: { measure(run), section(found) }. */
const SECTIONS = { cost, forecast, history, percentiles, advice, pool };
const PARTS = ["cache", "http", "outage", "frames", ...Object.keys(SECTIONS)];
const root = resolve(import.meta.dirname, "../..");

function fail(sentence) {
  console.error(`bench: ${sentence}`);
  process.exit(2);
}

function options() {
  try {
    const options = { quick: { type: "boolean", default: false }, only: { type: "string" }, section: { type: "string" } };
    const { values } = parseArgs({ options });
    if (values.section && !SECTIONS[values.section]) fail(`there is no section ${values.section}; there are ${Object.keys(SECTIONS).join(", ")}`);
    const only = (values.section ?? values.only)?.split(",") ?? PARTS;
    const unknown = only.filter((part) => !PARTS.includes(part));
    if (unknown.length > 0) fail(`there is no part ${unknown.join(", ")}; there are ${PARTS.join(", ")}`);
    return { quick: values.quick, only, section: values.section };
  } catch (error) {
    return fail(error.message);
  }
}

const { quick, only, section } = options();
const target = resolve(process.env.CARGO_TARGET_DIR ?? join(root, "target"));
const binary = resolve(process.env.HEADROOM_BIN ?? join(target, "release/headroom"));
if (!existsSync(binary) && only.some((part) => !SECTIONS[part])) fail(`${binary} is missing: run \`make release\``);
const work = workFolder();
const begun = Date.now();
const say = (what) => {
  const seconds = Math.round((Date.now() - begun) / 1000);
  console.error(`${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, "0")}  ${what}`);
};
const run = { binary, work, target, quick, say, cores: splitCores(), commit: process.env.HEADROOM_BIN ? null : commit() };

async function finish() {
  await stopAll();
  rmSync(work, { recursive: true, force: true });
}
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    // What is being measured fails now; that is no news.
    process.once("uncaughtException", () => {});
    process.exitCode = 130;
    await finish();
    process.exit();
  });
}

const skipped = { missing: "left out by --only" };
const sections = {};
const results = { cache: skipped, node: skipped, http: skipped, outage: skipped, frames: skipped };
try {
  for (const name of only.filter((part) => SECTIONS[part])) {
    say(name);
    sections[name] = await SECTIONS[name].measure(run);
  }
  const others = only.filter((part) => !SECTIONS[part]);
  if (!has(process.env.HEADROOM_REDIS_BIN ?? "redis-server")) {
    for (const part of others) results[part] = { missing: "redis-server is not installed" };
  } else if (others.length > 0) {
    if (others.includes("cache")) {
      say("caches in one process");
      results.cache = await cache.measure(run);
    }
    say("the demo's servers, without traffic");
    const past = others.includes("frames");
    const demo = await startDemo(run, "stage-demo", { pace: 0, cores: run.cores.asking, past });
    if (others.includes("cache")) {
      results.node = results.cache.missing ? results.cache : await cache.measureNode(run, demo, results.cache);
    }
    if (others.includes("frames")) {
      say("frames a second on Trends");
      results.frames = await frames.measure(run, demo);
    }
    if (others.includes("http")) results.http = await http.measure(run, demo);
    if (others.includes("outage")) results.outage = await outage.measure(run, demo);
  }
} finally {
  await finish();
}

const isWhole = !quick && only.length === PARTS.length;
const drafts = join(target, "bench");
const docs = join(root, "docs/benchmarks.md");
mkdirSync(drafts, { recursive: true });
writeFileSync(join(drafts, "results.json"), JSON.stringify({ run: { ...run, say: undefined }, results, sections }, null, 2));
const file = isWhole || (section && !quick) ? docs : join(drafts, "benchmarks.md");
const before = readFileSync(docs, "utf8");
let text = section ? before : page(results, run);
for (const [name, found] of Object.entries(sections)) {
  if (found.missing) {
    if (section) fail(`${name}: ${found.missing}`);
    continue;
  }
  const when = `Measured on ${new Date().toISOString().slice(0, 10)}; ${machine(run)}.`;
  text = withSection(text, name, `${SECTIONS[name].section(found).trim()}\n\n${when}`);
}
// What was not measured now stays as it was.
text = withSectionsOf(text, before);
writeFileSync(file, text);
if (!section) console.log(table(lines(results)));
for (const [name, found] of Object.entries(sections)) console.log(found.missing ? `${name}: not measured: ${found.missing}` : SECTIONS[name].section(found));
if (!section) for (const [name, why] of gaps(results)) console.log(`${name}: not measured: ${why}`);
say(`written to ${file}`);

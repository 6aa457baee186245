// The browser tests: starts `headroom demo` on free ports with its own data, runs the specs against it in Chromium, and
// stops what it started.
//
//   node end2end/run.mjs [part of a spec's name …]
//
// HEADROOM_BIN: another binary than debug/headroom where cargo builds. HEADROOM_CHROMIUM: another Chromium than the first one found.
// Screenshots and the server's log go to end2end/results/.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { findChromium } from "./lib/chromium.mjs";
import { startDemo, stopAll, workFolder } from "./lib/console.mjs";

const here = import.meta.dirname;
const results = join(here, "results");
// One spec may take this long; a hanging page must not hang CI.
const SPEC_MS_MAX = 10 * 60_000;

// The outage comes last: it leaves a gap in the history that the others would see.
const LAST = "outage.mjs";

function chooseSpecs(patterns) {
  const all = readdirSync(join(here, "specs")).filter((name) => name.endsWith(".mjs"));
  const chosen = all.filter((name) => patterns.length === 0 || patterns.some((pattern) => name.includes(pattern)));
  if (chosen.length === 0) fail(`no spec is named like ${patterns.join(" or ")}; there are ${all.join(", ")}`);
  chosen.sort((a, b) => (a === LAST) - (b === LAST) || a.localeCompare(b));
  return chosen.map((name) => join(here, "specs", name));
}

function fail(sentence) {
  console.error(`end2end: ${sentence}`);
  process.exit(2);
}

const binary = resolve(process.env.HEADROOM_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(here, "../target"), "debug/headroom"));
if (!existsSync(binary)) fail(`${binary} is missing: run \`make build\``);
const chromium = findChromium() ?? fail("no Chromium found: install one or set HEADROOM_CHROMIUM");
const specs = chooseSpecs(process.argv.slice(2));
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

const work = workFolder();
let failures = 0;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await stopAll();
    rmSync(work, { recursive: true, force: true });
    process.exit(130);
  });
}
try {
  console.log("starting the demo …");
  const started = Date.now();
  const demo = await startDemo({ binary, work, log: join(results, "demo.log") });
  console.log(`${demo.url} with figures after ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  process.env.HEADROOM_END2END = JSON.stringify({ binary, chromium, results, work, demo });
  const report = run({ files: specs, concurrency: 1, timeout: SPEC_MS_MAX });
  report.on("test:fail", () => (failures += 1));
  const printed = report.compose(new spec());
  printed.pipe(process.stdout);
  await finished(printed);
} catch (error) {
  console.error(error);
  failures += 1;
} finally {
  await stopAll();
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;

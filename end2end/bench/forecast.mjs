// Forecasts against the truth: figures made by known laws, ours beside a straight line, seasonal naive and statsforecast.
//
//   node end2end/bench/forecast.mjs [--quick]     prints the section of docs/benchmarks.md

import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { figure } from "./lib/report.mjs";
import { output } from "./lib/stage.mjs";

const here = join(import.meta.dirname, "peers");
const BUILD_MS_MAX = 45 * 60_000;
const RUN_MS_MAX = 10 * 60_000;
const PEER_MS_MAX = 30 * 60_000;
/** Scenarios that break a straight line. */
const BROKEN = ["slope change", "purge", "purge, slope change, spikes"];
const YEAR = "a year of hours";

/** Runs the suite, then statsforecast over some of the same cases. HEADROOM_FORECAST_TRUTH: another suite than the release build. */
export async function measure({ target, quick, say }) {
  const suite = resolve(process.env.HEADROOM_FORECAST_TRUTH ?? join(target, "release/examples/forecast_truth"));
  if (!process.env.HEADROOM_FORECAST_TRUTH) {
    const args = ["build", "--release", "--quiet", "--package", "headroom-engine", "--example", "forecast_truth"];
    try {
      await output("cargo", args, { env: { CARGO_TARGET_DIR: target }, limitMs: BUILD_MS_MAX });
    } catch (error) {
      return { missing: `the suite cannot be built here (${error.message})` };
    }
  }
  const folder = join(target, "bench");
  mkdirSync(folder, { recursive: true });
  const [seeds, peerSeeds] = quick ? [5, 1] : [60, 3];
  const found = JSON.parse(await output(suite, [seeds, peerSeeds, folder].map(String), { limitMs: RUN_MS_MAX }));
  return { ...found, ...(await statsforecast(target, join(folder, "cases.ndjson"), say)) };
}

/** statsforecast in an environment of its own. */
async function statsforecast(target, cases, say) {
  const folder = join(target, "peers/python");
  const requirements = join(here, "forecast-requirements.txt");
  const version = /statsforecast==(\S+)/.exec(readFileSync(requirements, "utf8"))[1];
  const python = process.env.HEADROOM_BENCH_PYTHON ?? join(folder, "bin/python");
  try {
    if (!process.env.HEADROOM_BENCH_PYTHON) {
      say("fetching statsforecast");
      await output("python3", ["-m", "venv", folder], { limitMs: 120_000 });
      await output(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], { limitMs: 600_000 });
    }
    say("statsforecast; a case takes up to half a minute");
    const text = await output(python, [join(here, "forecast.py"), cases], { limitMs: PEER_MS_MAX });
    return { peer: text.trim().split("\n").map((line) => JSON.parse(line)), version };
  } catch (error) {
    return { peerMissing: `statsforecast cannot run here (${error.message})` };
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}
const percent = (value) => `${figure(value)} %`;
/** The suite's clock of the processor moves with the scheduler's tick; what is shorter is only known to be. */
const TICK_MS = 4;
const worked = (value) => (value < TICK_MS ? `under ${TICK_MS} ms` : milliseconds(value));
const milliseconds = (value) => (value >= 1000 ? `${figure(value / 1000)} s` : `${figure(value)} ms`);
const goal = (words, isMet) => `${words}: ${isMet ? "met" : "missed"}`;

/** How far a date is off, in per cent of the true one. None within the horizon counts as the horizon. */
function off(days, truth, horizon) {
  if (truth === null) return days === null ? 0 : 100;
  return (100 * Math.abs((days ?? horizon) - truth)) / truth;
}

/** The section of the page. */
export function section(found) {
  const scenarios = [...new Set(found.cases.map((it) => it.scenario))];
  const of = (scenario) => found.cases.filter((it) => it.scenario === scenario);
  const dates = scenarios.map((scenario) => {
    const cases = of(scenario);
    const error = (who) => median(cases.map((it) => off(it[who].days, it.truthDays, found.horizonDays)));
    const [ours, line, naive] = ["ours", "line", "naive"].map(error);
    const met = ours <= 5 && (!BROKEN.includes(scenario) || ours <= 0.1 * line);
    const words = BROKEN.includes(scenario) ? "≤ 5 % and ≤ 0.1× the line's" : "≤ 5 %";
    return `| ${scenario} | ${percent(ours)} | ${percent(line)} | ${percent(naive)} | ${goal(words, met)} |`;
  });
  const errors = scenarios.map((scenario) => {
    const cases = of(scenario);
    const mase = (who) => mean(cases.map((it) => it[who].mase)).toFixed(3);
    const covered = 100 * mean(cases.map((it) => it.ours.covered));
    const met = goal("87–93 %", covered >= 87 && covered <= 93);
    return `| ${scenario} | ${mase("ours")} | ${mase("line")} | ${mase("naive")} | ${covered.toFixed(1)} % | ${worked(median(cases.map((it) => it.ours.ms)))} | ${met} |`;
  });
  return `## Forecasts

\`node end2end/bench/forecast.mjs\`, \`server/engine/examples/forecast_truth\`: figures made by known laws (a line, a course of the day, noise that remembers) and what
breaks forecasts; ${found.seeds} seeds of each scenario, others than those that the engine's constants were chosen on. A past of 180 days of
hours is forecast (short: 10 days), then the law goes on and says what came. The date is when the mean of a day meets the limit,
40 to 100 days ahead (short: 12 to 25). "Flat" never does, and any date is off by 100 %. Who sees no date within ${found.horizonDays} days counts
as ${found.horizonDays}. The straight line is least squares over the days, seasonal naive the last week repeated. These laws are simpler than
life: after the last change of slope the slope stays.

| Days until the limit, median error | Headroom | straight line | seasonal naive | goal |
|---|--:|--:|--:|---|
${dates.join("\n")}

Errors of the next 30 days (short: 7) in the mean change from one week to the next (MASE), means over the seeds; and how many of
those days the interval of 90 % held. Times are the processor's.

| | Headroom | straight line | seasonal naive | interval of 90 % held | time, median | goal of the interval |
|---|--:|--:|--:|--:|--:|---|
${errors.join("\n")}

A year of hours with all of this in it: ${milliseconds(found.yearMs)}, median of 9 (${goal("≤ 250 ms", found.yearMs <= 250)}).

${found.peer ? against(found) : `statsforecast: not measured: ${found.peerMissing}`}
`;
}

/** Beside statsforecast, over the cases that it had. */
function against(found) {
  const pairs = found.peer.map((peer) => ({
    peer,
    ours: found.cases.find((it) => it.scenario === peer.scenario && it.seed === peer.seed),
  }));
  const same = pairs.filter(({ ours }) => ours);
  const row = (scenario, who) => {
    const cases = same.filter(({ peer }) => !scenario || peer.scenario === scenario);
    const [ours, theirs] = [mean(cases.map((it) => it.ours.ours.mase)), mean(cases.map((it) => it.peer[who].mase))];
    const [oursMs, theirsMs] = [median(cases.map((it) => it.ours.ours.ms)), median(cases.map((it) => it.peer[who].seconds * 1000))];
    const isTimed = oursMs >= TICK_MS;
    const dates = (of) => percent(median(cases.map((it) => off(of(it), it.ours.truthDays, found.horizonDays))));
    const what = `${scenario ?? "**all**"} | of ${who}`;
    const figures = `${ours.toFixed(3)} | ${theirs.toFixed(3)} | ${(ours / theirs).toFixed(2)}× | ${worked(oursMs)} | ${milliseconds(theirsMs)} | ${isTimed ? `${(oursMs / theirsMs).toFixed(3)}×` : "–"}`;
    const both = `${dates((it) => it.ours.ours.days)} | ${dates((it) => it.peer[who].days)}`;
    const met = [goal("MASE ≤ 1.05×", ours <= 1.05 * theirs), ...(isTimed ? [goal("time ≤ 0.1×", oursMs <= 0.1 * theirsMs)] : [])].join(", ");
    return `| ${what} | ${figures} | ${both} | ${met} |`;
  };
  const scenarios = [...new Set(same.map(({ peer }) => peer.scenario))];
  const rows = [...scenarios, null].flatMap((scenario) => ["hours", "days"].map((who) => row(scenario, who)));
  const held = (100 * mean(same.map(({ peer }) => peer.days.covered))).toFixed(1);
  const year = found.peer.find((it) => it.scenario === YEAR);
  const years = year ? `The year of hours took it ${milliseconds(year.hours.seconds * 1000)} of hours and ${milliseconds(year.days.seconds * 1000)} of days. ` : "";
  return `Beside statsforecast ${found.version} (MSTL with AutoETS, \`end2end/bench/peers/forecast.py\`) over ${same.length} of the same cases, right after ours; times are the processor's. Of hours: it gets
the hours, as we do (seasons of 24 and 168). Of days: somebody has made days of them for it (season of 7), which makes it faster.
It repairs nothing; ours counts its repair, its backtest of 12 folds and 400 paths in its time. ${years}Its interval
of 90 %, of days, held ${held} %.

| Scenario | statsforecast | MASE, ours | its | ratio | time, ours | its | ratio | date off, ours | its | goals |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|
${rows.join("\n")}`;
}

if (process.argv[1] === import.meta.filename) {
  const target = resolve(process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, "../../target"));
  const found = await measure({ target, quick: process.argv.includes("--quick"), say: (what) => console.error(what) });
  console.log(found.missing ? `not measured: ${found.missing}` : section(found));
}

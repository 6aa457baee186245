// The cache in one process against its peers: builds and runs `peers/`, then the Node peer with the demo's Redis.

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { output } from "./lib/stage.mjs";

const here = join(import.meta.dirname, "peers");
const BUILD_MS_MAX = 45 * 60_000;
const RUN_MS_MAX = 5 * 60_000;

/** The Rust peers. */
export async function measure(run) {
  const built = join(run.target, "peers");
  try {
    run.say("building the Rust peers; the first time this takes minutes");
    // Not --locked: the engine is part of that workspace, and its dependencies change.
    const args = ["build", "--release", "--quiet", "--manifest-path", join(here, "Cargo.toml")];
    await output("cargo", args, { env: { CARGO_TARGET_DIR: built }, limitMs: BUILD_MS_MAX });
  } catch (error) {
    return { missing: `the Rust peers cannot be built here (${error.message})` };
  }
  const text = await output(join(built, "release/headroom-peers"), run.quick ? ["--quick"] : [], { limitMs: RUN_MS_MAX });
  const lock = readFileSync(join(here, "Cargo.lock"), "utf8");
  const version = (crate) => new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`).exec(lock)[1];
  const versions = { "amalgam-cache": version("amalgam-cache"), moka: version("moka") };
  return { ...JSON.parse(text), versions };
}

/** The Node peer. It gets its own folder: its packages stay out of the browser tests'. */
export async function measureNode(run, demo, { keys, valueBytes }) {
  const folder = join(run.target, "peers/node");
  mkdirSync(folder, { recursive: true });
  for (const file of ["package.json", "package-lock.json", "bentocache.mjs"]) {
    copyFileSync(join(here, "node", file), join(folder, file));
  }
  try {
    run.say("fetching bentocache");
    await output("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], { cwd: folder, limitMs: 120_000 });
  } catch (error) {
    return { missing: `bentocache cannot be fetched here (${error.message})` };
  }
  const [warmMs, rounds, turnMs] = run.quick ? [1_200, 3, 20] : [3_000, 21, 150];
  const args = [join(folder, "bentocache.mjs"), keys, valueBytes, warmMs, rounds, turnMs].map(String);
  const text = await output(process.execPath, args, { env: { REDIS_URL: demo.redisUrl }, limitMs: RUN_MS_MAX });
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return { rows: JSON.parse(text), versions: { bentocache: dependencies.bentocache } };
}

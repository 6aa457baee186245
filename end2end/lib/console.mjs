// Starting and stopping consoles: the demo with its servers, and more consoles over the same servers.

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./wait.mjs";

const children = new Set();

/** A temporary folder that the servers' own account can enter when we are root. */
export function workFolder() {
  const folder = mkdtempSync(join(tmpdir(), "headroom-end2end-"));
  chmodSync(folder, 0o711);
  return folder;
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function start(binary, args, { log, env = {} }) {
  const out = openSync(log, "a");
  const child = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ["ignore", out, out] });
  closeSync(out);
  children.add(child);
  child.ended = new Promise((resolve) => child.once("exit", resolve)).then(() => children.delete(child));
  return child;
}

/** Stops a process that we started and waits until it has gone. */
export async function stop(child) {
  if (!children.has(child)) return;
  child.kill("SIGTERM");
  const patience = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await child.ended;
  clearTimeout(patience);
}

/** Stops everything that this process started. */
export const stopAll = () => Promise.all([...children].map(stop));

/** Waits for a console, and stops waiting when its process has ended. */
async function wait(child, what, check, log) {
  const ended = child.ended.then(() => {
    throw new Error(`${what}: the process ended.\n${readFileSync(log, "utf8").slice(-4000)}`);
  });
  ended.catch(() => {}); // ends after the race as well
  return Promise.race([until(what, check, { within: 120_000 }), ended]);
}

const hasFigures = async (url) => {
  const answer = await fetch(`${url}/api/v1/metrics/current`);
  return answer.ok && "database.connections" in (await answer.json()).data.figures;
};

/** `headroom demo` with its own PostgreSQL and Redis; what its demo.json says. */
export async function startDemo({ binary, work, log }) {
  const folder = join(work, "demo");
  const child = start(binary, ["demo", "--listen", `127.0.0.1:${await freePort()}`, "--data-dir", folder], { log });
  const card = () => JSON.parse(readFileSync(join(folder, "demo.json"), "utf8"));
  return wait(child, "the demo", async () => (await hasFigures(card().url)) && card(), log);
}

/**
 * `headroom serve` over the demo's servers, with its own state. `users` maps names to [role, password]; without any it is
 * open. `targets` names what is watched: the demo's servers under each of these names. `config` is more of its
 * configuration, in TOML. `stop()` and `start()` keep address and state; `file` is the configuration, where there is one.
 */
export async function serve(site, name, { users = {}, targets = [], config = "" } = {}) {
  const { binary, results, work, demo } = site;
  const url = `http://127.0.0.1:${await freePort()}`;
  const state = ["--data-dir", join(work, name)];
  const env = { DATABASE_URL: demo.postgresUrl, ...(demo.redisUrl && { REDIS_URL: demo.redisUrl }) };
  const log = join(results, `${name}.log`);
  const settings = [];
  const file = join(work, `${name}.toml`);
  if (targets.length > 0 || config) {
    const redis = demo.redisUrl ? `redis_url = "${demo.redisUrl}"\n` : "";
    const section = (id) => `[[targets]]\nid = "${id}"\ndatabase_url = "${demo.postgresUrl}"\n${redis}`;
    writeFileSync(file, [...targets.map(section), config].join("\n"), { mode: 0o600 });
    settings.push("--config", file);
  }
  for (const [user, [role, password]] of Object.entries(users)) {
    const file = join(work, `${name}-${user}`);
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    const args = ["user", "add", user, "--role", role, "--password-file", file, ...settings, ...state];
    execFileSync(binary, args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "inherit"] });
  }
  let child;
  const console = {
    url,
    file,
    start: async () => {
      child = start(binary, ["serve", "--listen", url.replace("http://", ""), ...settings, ...state], { log, env });
      await wait(child, name, async () => (await fetch(`${url}/api/v1/ready`)).ok, log);
    },
    stop: () => stop(child),
  };
  await console.start();
  return console;
}

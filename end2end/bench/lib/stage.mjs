// What is measured runs here: programs on chosen cores, the demo's servers, consoles over them. All of it is stopped by
// process number, also on Ctrl-C.

import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../lib/console.mjs";
import { until } from "../../lib/wait.mjs";

const STOP_MS_MAX = 20_000;
const children = new Set();
let isClosing = false;

/** Whether a program can be started at all. */
export const has = (program) => !spawnSync(program, ["-v"], { stdio: "ignore" }).error;

/** The cores that this process may use, split between who answers and who asks; none where there is only one. */
export function splitCores() {
  if (!has("taskset")) return { answering: null, asking: null };
  const allowed = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const cores = allowed.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });
  if (cores.length < 2) return { answering: null, asking: null };
  const half = cores.length >> 1;
  return { answering: cores.slice(0, half), asking: cores.slice(half, 2 * half) };
}

/** Starts a program. `cores` pins it; `log` takes what it says, else that goes to our standard error. */
export function start(program, args, { log, env = {}, cores = null } = {}) {
  const out = log ? openSync(log, "a", 0o600) : "inherit";
  try {
    const child = launch(program, args, cores, { env, stdio: ["ignore", out, out] });
    child.log = log;
    return child;
  } finally {
    if (log) closeSync(out);
  }
}

/** Runs a program to its end and answers what it printed. Its standard error goes to ours. */
export async function output(program, args, { env = {}, cwd, cores = null, limitMs }) {
  const child = launch(program, args, cores, { env, cwd, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part) => (text += part));
  const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const { code, signal } = await child.ended;
  clearTimeout(limit);
  if (code !== 0) throw new Error(`${program} ended with ${signal ?? code}`);
  return text;
}

function launch(program, args, cores, { env, ...options }) {
  if (isClosing) throw new Error("everything is being stopped");
  const [command, ...rest] = cores ? ["taskset", "-c", cores.join(","), program, ...args] : [program, ...args];
  const child = spawn(command, rest, { env: { ...process.env, ...env }, ...options });
  children.add(child);
  // "close" comes when its output has been read too; a program that cannot be started only has "error".
  child.ended = new Promise((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
    child.once("error", (error) => resolve({ code: error.code, signal: null }));
  }).finally(() => children.delete(child));
  return child;
}

/** Stops a program that we started and waits until it has gone. */
export async function stop(child) {
  if (!children.has(child)) return;
  child.kill("SIGTERM");
  const patience = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  await child.ended;
  clearTimeout(patience);
}

/** Stops everything, what was started last first. From then on nothing can be started. */
export async function stopAll() {
  isClosing = true;
  for (const child of [...children].reverse()) await stop(child);
}

/** Waits until a program that we started does what it should, and stops waiting when it has ended. */
export async function ready(child, what, check) {
  let ended = false;
  const gone = child.ended.then(() => {
    ended = true;
    throw new Error(`${what} ended.${child.log ? `\n${readFileSync(child.log, "utf8").slice(-2000)}` : ""}`);
  });
  gone.catch(() => {}); // it ends after the race as well
  return Promise.race([until(what, async () => ended || check(), { within: 120_000 }), gone]);
}

const answers = async (url) => (await fetch(`${url}/api/v1/ready`)).ok;

/** `headroom demo` with its own PostgreSQL and Redis, once its shop is loaded: what its demo.json says. */
export async function startDemo({ binary, work }, name, { pace, cores = null, past = false }) {
  const folder = join(work, name);
  const listen = `127.0.0.1:${await freePort()}`;
  const args = ["demo", ...(past ? [] : ["--no-history"]), "--pace", String(pace), "--listen", listen, "--data-dir", folder];
  const log = join(work, `${name}.log`);
  const child = start(binary, args, { log, cores });
  const card = () => JSON.parse(readFileSync(join(folder, "demo.json"), "utf8"));
  // The console is there before its shop is: its datasets tell when the last table can be read.
  const loaded = async () => (await fetch(`http://${listen}/api/v1/data/revenue`)).ok && card();
  const demo = await ready(child, "the demo", loaded);
  return { ...demo, child, card };
}

/** A statement of the sample shop as a dataset, in the words of headroom.toml. */
const dataset = (name, parameter, type, sql, settings) => `
[[datasets]]
name = "${name}"
sql = "${sql}"
tags = ["shop", "${name}:{${parameter}}"]
${settings}
[[datasets.parameters]]
name = "${parameter}"
type = "${type}"
`;

/** `headroom serve` over the demo's servers, with two datasets whose `settings` are the same, sharing `space` in Redis. */
export async function startServe({ binary, work }, demo, name, { space, settings, cores = null }) {
  const listen = `127.0.0.1:${await freePort()}`;
  const file = join(work, `${name}.toml`);
  const text = `listen = "${listen}"
data_dir = "${join(work, name)}"
[cache]
space = "${space}"
[[targets]]
id = "shop"
database_url = "${demo.postgresUrl}"
redis_url = "${demo.redisUrl}"
${dataset("customers", "country", "text", "SELECT id, name, country, created_at FROM shop.customers WHERE country = :country", `key = ["id"]\n${settings}`)}
${dataset("product", "id", "integer", "SELECT id, sku, title, price_cents, stock FROM shop.products WHERE id = :id", settings)}`;
  writeFileSync(file, text, { mode: 0o600 });
  const child = start(binary, ["serve", "--config", file], { log: join(work, `${name}.log`), cores });
  const url = `http://${listen}`;
  await ready(child, "headroom serve", () => answers(url));
  return { url, child, listen };
}

/** Counters of a console's cache, and how it finds Redis. */
export async function cacheReport(url) {
  return (await (await fetch(`${url}/api/v1/cache`)).json()).data;
}

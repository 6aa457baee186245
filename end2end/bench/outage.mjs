// Redis stops for half a minute under a steady load: two consoles share the demo's Redis, and every page they are asked
// for was there before. Whether each request gets its page, how much more the database is asked, and how soon it is over.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../lib/wait.mjs";
import { cacheReport, startServe, stop } from "./lib/stage.mjs";

const PER_SECOND = 200;
/** Requests under way at once; more count as failed instead of being sent. */
const IN_FLIGHT_MAX = 500;
const REQUEST_MS_MAX = 10_000;
/** Short, so that pages are loaded again many times in each phase. */
const SETTINGS = `ttl = "5s"`;
const PATHS = [
  ...Array.from({ length: 100 }, (_, n) => `/api/v1/data/product?id=${n + 1}`),
  ...["DE", "FR", "GB", "IT", "NL", "PL", "SE", "US"].map((country) => `/api/v1/data/customers?country=${country}`),
];

/** Asks the consoles in turn, each for every page in turn, until stopped. What came of it is counted by phase. */
class Load {
  #phase;
  #next = 0;
  #inFlight = 0;
  #timer;

  constructor(urls) {
    this.urls = urls;
  }

  start() {
    const begun = performance.now();
    // By the clock and not by the answers: a slow console is asked as often as a fast one.
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - begun) / 1000) * PER_SECOND);
      while (this.#next < due) this.#ask(this.#next++);
    }, 5);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** From here on, requests and what comes of them are counted there. */
  phase() {
    this.#phase = { requests: 0, errors: 0, latencies: [], from: {} };
    return this.#phase;
  }

  /** Ends a phase: waits for the answers to its requests. */
  async end(phase) {
    if (this.#phase === phase) this.phase();
    await until("the last answers", () => phase.latencies.length === phase.requests, { within: 2 * REQUEST_MS_MAX });
    return phase;
  }

  async #ask(number) {
    const phase = this.#phase;
    phase.requests++;
    const url = this.urls[number % this.urls.length] + PATHS[Math.floor(number / this.urls.length) % PATHS.length];
    const start = performance.now();
    this.#inFlight++;
    try {
      if (this.#inFlight > IN_FLIGHT_MAX) throw new Error("too many requests are under way");
      const answer = await fetch(url, { signal: AbortSignal.timeout(REQUEST_MS_MAX) });
      await answer.arrayBuffer();
      const from = answer.headers.get("x-cache") ?? "none";
      if (answer.ok) phase.from[from] = (phase.from[from] ?? 0) + 1;
      else phase.errors++;
    } catch {
      phase.errors++;
    } finally {
      phase.latencies.push(performance.now() - start);
      this.#inFlight--;
    }
  }
}

/** Whether anything listens there. */
const listens = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });

async function loads(urls) {
  const reports = await Promise.all(urls.map(cacheReport));
  return reports.reduce((sum, { counters }) => sum + counters.loads + counters.loadErrors, 0);
}

const healthy = async (urls) =>
  (await Promise.all(urls.map(cacheReport))).every(({ redis }) => redis.answers && redis.listens && redis.waiting === 0);

export async function measure(run, demo) {
  const port = Number(new URL(demo.redisUrl).port);
  const consoles = [];
  const load = new Load([]);
  try {
    for (const name of ["outage-a", "outage-b"]) {
      consoles.push(await startServe(run, demo, name, { space: "bench-outage", settings: SETTINGS }));
    }
    const urls = consoles.map(({ url }) => url);
    await until("both consoles hear Redis", () => healthy(urls));
    load.urls = urls;
    const seconds = run.quick ? 6 : 30;
    // What `happens` at its beginning belongs to a phase, the requests that are cut by it included.
    const phase = async (name, happens = async () => {}) => {
      run.say(`outage of Redis, ${name}, ${seconds} s`);
      const [counted, before, begun] = [load.phase(), await loads(urls), performance.now()];
      await happens();
      await sleep(begun + seconds * 1000 - performance.now());
      const loadsPerSecond = ((await loads(urls)) - before) / ((performance.now() - begun) / 1000);
      return sum(await load.end(counted), loadsPerSecond);
    };
    const toggle = async (answers) => {
      process.kill(demo.pid, "SIGUSR2");
      await until("the change of Redis", async () => (await listens(port)) === answers, { every: 10 });
    };
    load.phase();
    load.start();
    await sleep((run.quick ? 4 : 12) * 1000); // every page is there, on both
    const steady = await phase("before");
    const outage = await phase("while it lasts", () => toggle(false));
    assert(!(await listens(port)), "Redis came back by itself");
    let healSeconds;
    const after = await phase("after", async () => {
      await toggle(true);
      const back = performance.now();
      await until("both consoles use Redis again", () => healthy(urls), { every: 20 });
      healSeconds = (performance.now() - back) / 1000;
    });
    return { steady, outage, after, healSeconds, perSecond: PER_SECOND, seconds };
  } finally {
    load.stop();
    for (const { child } of consoles.reverse()) await stop(child);
  }
}

/** A phase in figures. */
function sum({ requests, errors, latencies, from }, loadsPerSecond) {
  const sorted = latencies.sort((a, b) => a - b);
  const p99Ms = sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)];
  return { requests, errors, p99Ms, from, loadsPerSecond };
}

// A hit in memory of bentocache with two tiers, on one thread: the same keys, values and turns as the Rust caches have.
//   REDIS_URL=redis://… node bentocache.mjs KEYS VALUE_BYTES WARM_MS ROUNDS TURN_MS
// Memory keeps the values as they are (`serialize: false`): its fastest way, and the one that is like ours.

import assert from "node:assert/strict";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisDriver } from "bentocache/drivers/redis";

const [KEYS, VALUE_BYTES, WARM_MS, ROUNDS, TURN_MS] = process.argv.slice(2).map(Number);
const BATCH = 64;
const url = new URL(process.env.REDIS_URL);
const connection = { host: url.hostname, port: Number(url.port), password: decodeURIComponent(url.password), db: 2 };
const bento = new BentoCache({
  default: "tiered",
  stores: {
    tiered: bentostore()
      .useL1Layer(memoryDriver({ serialize: false, maxItems: 10 * KEYS }))
      .useL2Layer(redisDriver({ connection })),
  },
});
const keys = Array.from({ length: KEYS }, (_, n) => `product:${n}`);
const value = "abcdefghijklmnop".repeat(VALUE_BYTES / 16);
for (const key of keys) await bento.set({ key, value, ttl: "1h" });

const factory = () => assert.fail("a value that was there was loaded again");
const subjects = {
  "bentocache get": (key) => bento.get({ key }),
  "bentocache getOrSet": (key) => bento.getOrSet({ key, ttl: "1h", factory }),
};

async function turn(call, first) {
  const samples = [];
  const end = performance.now() + TURN_MS;
  let number = first;
  do {
    const start = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) {
      const found = await call(keys[number++ % KEYS]);
      assert(found.length === VALUE_BYTES);
    }
    samples.push(Number(process.hrtime.bigint() - start) / BATCH);
    if (samples.length % 64 === 0) await new Promise(setImmediate);
  } while (performance.now() < end);
  return samples.sort((a, b) => a - b);
}
const rank = (sorted, share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];

const turns = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
async function round(count) {
  for (const [name, call] of Object.entries(subjects)) {
    const samples = await turn(call, 0);
    if (count) turns[name].push({ p50: rank(samples, 0.5), p99: rank(samples, 0.99), calls: samples.length * BATCH });
  }
}
// Until then the engine compiles what it will run.
while (performance.now() < WARM_MS) await round(false);
for (let n = 0; n < ROUNDS; n++) await round(true);
const median = (values) => rank(values.sort((a, b) => a - b), 0.5);
const rows = Object.entries(turns).map(([name, of]) => ({
  name,
  p50Ns: median(of.map((turn) => turn.p50)),
  p99Ns: median(of.map((turn) => turn.p99)),
  lowestNs: Math.min(...of.map((turn) => turn.p50)),
  highestNs: Math.max(...of.map((turn) => turn.p50)),
  calls: of.reduce((sum, turn) => sum + turn.calls, 0),
  allocations: null,
}));
console.log(JSON.stringify(rows));
await bento.disconnectAll();

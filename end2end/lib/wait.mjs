// Waiting for something to become true.

import { setTimeout as sleep } from "node:timers/promises";

/** Asks `check` until it answers something truthy, and returns that. Its errors count as "not yet". */
export async function until(what, check, { within = 60_000, every = 100 } = {}) {
  const end = Date.now() + within;
  let last;
  do {
    try {
      const found = await check();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await sleep(every);
  } while (Date.now() < end);
  throw new Error(`${what} did not happen within ${within / 1000} s`, { cause: last });
}

// PostgreSQL goes away and comes back: the page says so within five seconds, keeps its history, and recovers.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { togglePostgres } from "../lib/database.mjs";
import { api, openAlive, picture, site } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const WITHIN = 5000;
const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** The moment at which the server accepts TCP connections, or false. */
function accepts(url) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once("connect", () => resolve(Date.now())).once("error", () => resolve(false));
    socket.once("close", () => resolve(false)).once("connect", () => socket.destroy());
  });
}

let stopped = false;
after(() => stopped && togglePostgres());

test("an outage of PostgreSQL", async (t) => {
  const page = await openAlive(t);
  togglePostgres();
  stopped = true;
  await until("PostgreSQL ends", () => !alive(site.demo.postgresPid), { every: 20 });
  const gone = Date.now();
  const banner = page.getByRole("alert").filter({ hasText: /PostgreSQL does not answer since \d\d:\d\d:\d\d/ });
  await banner.waitFor();
  const noticed = Date.now() - gone;
  t.diagnostic(`said ${noticed} ms after PostgreSQL had ended`);
  assert.match(await banner.innerText(), /Figures are from \d\d:\d\d:\d\d/);
  await picture(page, "outage");

  // History stays readable, on a fresh page as well, and the API still answers.
  const fresh = await openAlive(t, "/");
  await fresh.getByRole("alert").filter({ hasText: "PostgreSQL does not answer" }).waitFor();
  const lines = await fresh.locator(".chart path.ln").evaluateAll((paths) => paths.filter((path) => path.getAttribute("d")).length);
  assert.ok(lines >= 4, `${lines} charts show history`);
  assert.equal((await api("/api/v1/metrics/current")).target, "shop");
  assert.deepEqual(fresh.problems, []);

  togglePostgres();
  stopped = false;
  const back = await until("PostgreSQL accepts connections", () => accepts(site.demo.postgresUrl), { every: 20 });
  await banner.waitFor({ state: "hidden" });
  const recovered = Date.now() - back;
  t.diagnostic(`recovered ${recovered} ms after PostgreSQL accepted connections`);
  const events = page.getByRole("region", { name: "Recent events" });
  await events.getByText(/PostgreSQL/).first().waitFor();
  assert.deepEqual(page.problems, []);
  assert.ok(noticed <= WITHIN, `the page took ${noticed} ms to say so`);
  assert.ok(recovered <= WITHIN, `the page took ${recovered} ms to recover`);
});

// The console goes away and comes back while a page is open.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../lib/console.mjs";
import { liveState, openAlive, site } from "../lib/site.mjs";

test("a lost connection is said, old figures stay, and the page recovers by itself", async (t) => {
  const console = await serve(site, "connection");
  const page = await openAlive(t, "/", { base: console.url });
  await liveState(page).filter({ hasText: /^Live$/ }).waitFor();
  await page.evaluate(() => (window.untouched = true));
  const stopped = Date.now();
  await console.stop();
  await liveState(page).filter({ hasText: "No connection since" }).waitFor();
  t.diagnostic(`said ${Date.now() - stopped} ms after the server was told to stop`);
  await page.getByText(/retrying/).waitFor();
  const health = page.getByRole("region", { name: "Health" });
  assert.match(await health.locator(".big").innerText(), /\d+/);
  await health.getByText(/^as of \d\d:\d\d$/).first().waitFor();
  await console.start();
  const started = Date.now();
  await liveState(page).filter({ hasText: /^Live$/ }).waitFor();
  await health.getByText(/^as of/).first().waitFor({ state: "hidden" });
  t.diagnostic(`live again ${Date.now() - started} ms after the server was ready`);
  assert.equal(await page.evaluate(() => window.untouched), true);
});

// Settings: what history takes and keeps, and the demo's generated year, marked as such.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { serve } from "../lib/console.mjs";
import { api, open, openAlive, picture, site, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const DAY = 86_400_000;

test("the demo has a year at once, marked as generated, that meets what is measured", async (t) => {
  const storage = await until("the year is there", async () => {
    const found = await api("/api/v1/history/storage");
    return found.targets[0].origins.length > 0 && found;
  });
  const [{ generated, from, to, metrics }] = storage.targets[0].origins;
  assert.ok(generated && to - from > 360 * DAY && metrics >= 15, JSON.stringify(storage.targets[0].origins));
  const year = await api(`/api/v1/history?metric=database.size&from=${from}&to=${to}`);
  const known = year.series[0].avg.filter((value) => value !== null);
  assert.ok(known.length > 300, `${known.length} points in a year`);
  // Where it ends, measuring begins: at most a tenth apart.
  // Sizes are measured once a minute: the first time before the shop is loaded, then as it grows.
  // The newest slot holds both.
  const last = known.at(-2);
  await until(`measuring begins at about ${last}`, async () => {
    const { series: [measured] } = await api(`/api/v1/history?metric=database.size&from=${to}`);
    return measured.avg.some((value) => value !== null && Math.abs(last - value) < last / 10);
  }, { within: 90_000 });
  assert.ok(year.origins.every((origin) => origin.generated));
  const events = await api(`/api/v1/events?from=${from}&to=${to}&limit=100`);
  assert.ok(events.length > 20 && events.every(({ detail }) => detail.includes("generated")), JSON.stringify(events[0]));

  const page = await openAlive(t, "/?from=now-90d&to=now");
  await page.getByText(/^Points before .* are generated\.$/).waitFor();
});

test("g , opens Settings, which names what is kept, for how long, and by which key", async (t) => {
  const page = await openAlive(t, "/");
  await page.keyboard.press("g");
  await page.keyboard.press(",");
  await page.waitForURL("**/settings*");
  const history = page.getByRole("region", { name: "History", exact: true });
  await history.getByText("retention.minutes_days").waitFor();
  await history.getByRole("row", { name: /A point each hour.*762 days.*retention\.hours_days/ }).waitFor();
  await history.getByRole("row", { name: /^shop/ }).waitFor();
  const stretches = page.getByRole("region", { name: "Imported and generated history" });
  await stretches.getByRole("row", { name: /the demo.*generated/ }).first().waitFor();
  assert.deepEqual(page.problems, []);
});

test("without JavaScript the page says the same", async (t) => {
  const page = await open(t, "/settings", { javaScript: false });
  await page.getByText("retention.events_days").waitFor();
  await page.locator("summary", { hasText: "Rows by table" }).click();
});

test("an import from the command line shows in a running console within seconds", async (t) => {
  const console = await serve(site, "import");
  const rows = Array.from({ length: 48 }, (_, hour) => `${Date.now() - (72 + hour) * 3_600_000},database.size,${9e9 - hour}`);
  const file = join(site.work, "old-grafana.csv");
  writeFileSync(file, `time,metric,value\n${rows.join("\n")}\n`);
  const [{ id }] = await api("/api/v1/targets", { base: console.url });
  const words = ["history", "import", file, "--target", id, "--data-dir", join(site.work, "import")];
  assert.match(execFileSync(site.binary, words, { encoding: "utf8" }), /48 points of 1 metric imported/);
  const shown = await until("the console knows the stretch", async () => {
    const found = await api("/api/v1/history?metric=database.size&from=now-6d", { base: console.url });
    return found.origins.length > 0 && found;
  });
  assert.equal(shown.origins[0].source, "old-grafana.csv");
  const page = await openAlive(t, "/settings", { base: console.url });
  await page.getByRole("row", { name: /old-grafana\.csv.*imported/ }).waitFor();
});

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`nothing scrolls sideways, ${theme}, ${width} px`, async (t) => {
      const page = await openAlive(t, "/settings", { theme, width });
      const { scrollWidth, clientWidth } = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      await picture(page, `settings-${width}-${theme}`);
      assert.ok(scrollWidth <= clientWidth, `the page is ${scrollWidth} px wide in ${clientWidth} px`);
    });
  }
}

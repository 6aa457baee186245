// Nothing scrolls sideways, nothing jumps; and pictures for people.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hydrated, open, picture, WIDTHS } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

// Below this, people do not see a shift (Core Web Vitals call 0.1 good).
const SHIFT_MAX = 0.02;
// A finding that comes, goes or says something longer moves what stands below it, and rightly so: then the page is loaded
// and measured again.
const ATTEMPTS = 5;

/** Runs in the page before anything else: what deductions say and how many rows there are, as the server sent them and now. */
function readRows() {
  const others = () => document.querySelectorAll(".issues > li, .events > li, .banner").length;
  window.rows = () => [...document.querySelectorAll(".ledger tbody tr")].map((row) => row.textContent).join() + others();
  document.addEventListener("DOMContentLoaded", () => (window.rowsSent = window.rows()));
}

/** Runs in the page: how far things moved since it was opened, until a second from now. */
function measureShift() {
  return new Promise((resolve) => {
    const moved = { sum: 0, by: [] };
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries().filter((entry) => !entry.hadRecentInput)) {
        moved.sum += entry.value;
        for (const { node, previousRect, currentRect } of entry.sources) {
          const name = node?.outerHTML?.slice(0, 100) ?? node?.textContent?.slice(0, 60);
          moved.by.push(`${name} from ${JSON.stringify(previousRect)} to ${JSON.stringify(currentRect)}`);
        }
      }
    });
    observer.observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve({ ...moved, rowsChanged: window.rows() !== window.rowsSent }), 1000);
  });
}

/** What moved while the page came alive, of a load in which no finding changed. */
async function shiftOf(page, path = "/") {
  await page.addInitScript(readRows);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await page.goto(path, { waitUntil: "load" });
    await hydrated(page);
    const shift = await page.evaluate(measureShift);
    if (!shift.rowsChanged) return shift;
  }
  throw new Error(`findings changed in each of ${ATTEMPTS} loads`);
}

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`Trends, ${width} px, ${theme}`, async (t) => {
      const page = await open(t, "/trends?compare=previous", { theme, width });
      const shift = await shiftOf(page, "/trends?compare=previous");
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      await picture(page, `trends-${width}-${theme}`);
      assert.ok(wide <= room, `the page is ${wide} px wide in ${room} px`);
      assert.ok(shift.sum <= SHIFT_MAX, `layout shifted by ${shift.sum.toFixed(3)}:\n${shift.by.join("\n")}`);
    });
    test(`${width} px, ${theme}`, async (t) => {
      const page = await open(t, "/", { theme, width });
      const shift = await shiftOf(page);
      const { scrollWidth, clientWidth, beyond } = await page.evaluate(() => ({
        scrollWidth: document.documentElement.scrollWidth,
        clientWidth: document.documentElement.clientWidth,
        beyond: [...document.querySelectorAll("main *")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".scroll-x, .vh"))
          .slice(0, 3)
          .map((element) => element.outerHTML.slice(0, 120)),
      }));
      await page.getByRole("region", { name: "Last 1 hour" }).scrollIntoViewIfNeeded();
      await until("the charts are drawn", async () => (await page.locator(".chart-frame.is-live").count()) > 0);
      await page.evaluate(() => scrollTo(0, 0));
      await picture(page, `overview-${width}-${theme}`);
      assert.ok(scrollWidth <= clientWidth, `the page is ${scrollWidth} px wide in ${clientWidth} px: ${beyond.join("\n")}`);
      assert.ok(shift.sum <= SHIFT_MAX, `layout shifted by ${shift.sum.toFixed(3)}:\n${shift.by.join("\n")}`);
    });
  }
}

for (const theme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`Capacity, ${width} px, ${theme}`, async (t) => {
      const page = await open(t, "/capacity?days=180", { theme, width });
      await page.getByRole("heading", { name: "What runs out first" }).waitFor();
      const { scrollWidth, clientWidth } = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      await picture(page, `capacity-${width}-${theme}`);
      assert.ok(scrollWidth <= clientWidth, `the page is ${scrollWidth} px wide in ${clientWidth} px`);
    });
    test(`Indexes, ${width} px, ${theme}`, async (t) => {
      for (const tab of ["", "?tab=unused", "?tab=rejected"]) {
        const page = await open(t, `/indexes${tab}`, { theme, width });
        await page.getByRole("heading", { name: "Indexes", exact: true }).waitFor();
        const { scrollWidth, clientWidth } = await page.evaluate(() => {
          const { scrollWidth, clientWidth } = document.documentElement;
          return { scrollWidth, clientWidth };
        });
        await picture(page, `indexes${tab.replace("?tab=", "-")}-${width}-${theme}`);
        assert.ok(scrollWidth <= clientWidth, `the page is ${scrollWidth} px wide in ${clientWidth} px`);
      }
    });
  }
}

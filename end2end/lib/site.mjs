// What run.mjs told the specs, and the browser that a spec file uses.

import { after, before } from "node:test";
import { join } from "node:path";
import { launch } from "./chromium.mjs";
import { stopAll } from "./console.mjs";
import { watch } from "./problems.mjs";

if (!process.env.HEADROOM_END2END) throw new Error("run the specs with `node end2end/run.mjs`");

/** { binary, chromium, results, work, demo } */
export const site = JSON.parse(process.env.HEADROOM_END2END);

// How long a page may take to do what a test waits for. Generous: what has to be fast is measured.
const PATIENCE_MS = 60_000;

/** The widths of the design. */
export const WIDTHS = [390, 1024, 1440];

let browser;
before(async () => {
  browser = await launch(site.chromium);
});
after(async () => {
  await browser?.close();
  await stopAll();
});

/**
 * Opens a page in its own profile, which closes with the test `t`. `page.problems` lists what a healthy page never has.
 *
 * Options: `base` (the demo's address), `width`, `theme` (of the system), `javaScript`.
 */
export async function open(t, path = "/", { base = site.demo.url, width = 1440, theme = "light", javaScript = true } = {}) {
  const context = await browser.newContext({
    baseURL: base,
    viewport: { width, height: 900 },
    colorScheme: theme,
    javaScriptEnabled: javaScript,
    reducedMotion: "reduce",
    timezoneId: "Europe/Lisbon",
  });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.problems = await watch(page, base);
  page.answer = await page.goto(path, { waitUntil: "load" });
  return page;
}

/** The live indicator's state, which is announced. */
export const liveState = (page) => page.getByRole("banner").getByRole("status").first();

/** Waits until the page is hydrated: the server's own words are "Loaded 14:32:08". */
export async function hydrated(page) {
  await liveState(page).filter({ hasNotText: "Loaded" }).waitFor();
  return page;
}

/** Opens a page and waits until it is hydrated. */
export const openAlive = async (t, path, options) => hydrated(await open(t, path, options));

/** Reads JSON from the API of the demo. */
export async function api(path, { base = site.demo.url, ...init } = {}) {
  const answer = await fetch(base + path, init);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).data;
}

/** Keeps a picture of the whole page for people to look at. */
export const picture = (page, name) => page.screenshot({ path: join(site.results, `${name}.png`), fullPage: true });

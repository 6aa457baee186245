// The frame around the pages: keys, theme, range, target, share, security headers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hydrated, liveState, open, openAlive, picture, site } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

test("? lists the keys, and each listed key does what it says", async (t) => {
  const page = await openAlive(t);
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard" });
  await help.waitFor();
  await page.keyboard.press("Escape");
  await help.waitFor({ state: "hidden" });
  await page.keyboard.press("t");
  await page.getByRole("navigation", { name: "Relative ranges" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("navigation", { name: "Relative ranges" }).waitFor({ state: "hidden" });
  await page.keyboard.press("p");
  await liveState(page).filter({ hasText: "Paused" }).waitFor();
  assert.match(page.url(), /refresh=off/);
  await page.keyboard.press("p");
  await liveState(page).filter({ hasText: "Live" }).waitFor();
  await page.keyboard.press("z");
  await page.waitForURL(/from=now-7200s/);
  const charts = page.getByRole("region", { name: "Last 2 h" });
  const frame = charts.locator(".chart-frame.is-live").first();
  await charts.scrollIntoViewIfNeeded();
  await frame.waitFor();
  const { x, y, width, height } = await frame.boundingBox();
  await page.mouse.move(x + width * 0.5, y + height * 0.4);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.8, y + height * 0.4, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL((url) => /^\d+$/.test(url.searchParams.get("from")) && /^\d+$/.test(url.searchParams.get("to")));
  await liveState(page).filter({ hasText: "Paused" }).waitFor();
  const read = page.waitForResponse((answer) => answer.url().includes("/api/fn/timeline"));
  await page.keyboard.press("r");
  assert.equal((await read).status(), 200);
  await page.goto("/confirm/reset?target=shop&scope=requests");
  await hydrated(page);
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.getByRole("region", { name: "Health" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.getByRole("link", { name: /^shop/ }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("s");
  await page.getByRole("textbox", { name: "Link" }).waitFor();
  await page.getByRole("textbox", { name: "Link" }).focus();
  await page.keyboard.press("?");
  assert.ok(await help.isHidden(), "keys are off in a field");
});

test("on a phone four pages stand in the bar and the others behind More", async (t) => {
  for (const theme of ["light", "dark"]) {
    const page = await openAlive(t, "/?from=now-3h", { width: 390, theme });
    const bar = page.getByRole("navigation", { name: "Main, compact" });
    const more = bar.locator("summary");
    assert.deepEqual(await bar.locator(":scope > a").allInnerTexts(), ["Overview", "Trends", "Queries", "Cache"]);
    assert.equal(await more.getAttribute("aria-current"), null);
    await more.click();
    await picture(page, `more-${theme}`);
    await bar.getByRole("link", { name: "Locks" }).click();
    await page.waitForURL(/\/locks\?.*from=now-3h/);
    assert.equal(await bar.locator("details").getAttribute("open"), null, "closed behind the choice");
    await until("More is where the page is", async () => (await more.getAttribute("aria-current")) === "true");
    await more.click();
    await page.keyboard.press("Escape");
    assert.equal(await bar.locator("details").getAttribute("open"), null);
    assert.deepEqual(page.problems, []);
  }
  const still = await open(t, "/", { width: 390, javaScript: false });
  await still.locator(".tabbar summary").click();
  await still.locator(".tabbar").getByRole("link", { name: "Tables" }).click();
  await still.getByRole("heading", { level: 1, name: "Tables" }).waitFor();
});

test("keys are off behind a dialog, a lone g is forgotten, and all can be switched off", async (t) => {
  const page = await openAlive(t);
  const help = page.getByRole("dialog", { name: "Keyboard" });
  const ranges = page.getByRole("navigation", { name: "Relative ranges" });
  await page.keyboard.press("g");
  await page.waitForTimeout(1200);
  await page.keyboard.press("t");
  await ranges.waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await help.waitFor();
  await page.keyboard.press("t");
  assert.ok(await ranges.isHidden(), "the dialog is the topmost thing");
  await help.getByRole("checkbox", { name: /Single keys/ }).uncheck();
  await page.keyboard.press("Escape");
  await help.waitFor({ state: "hidden" });
  await page.keyboard.press("t");
  await page.reload();
  await hydrated(page);
  await page.keyboard.press("?");
  assert.ok(await ranges.isHidden() && await help.isHidden(), "switched off, now and later");
  await page.getByRole("button", { name: "Keyboard help" }).click();
  await help.getByRole("checkbox", { name: /Single keys/ }).check();
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await help.waitFor();
});

test("the skip link takes the focus along", async (t) => {
  const page = await openAlive(t);
  const skip = page.getByRole("link", { name: "Skip to content" });
  await skip.focus();
  await page.keyboard.press("Enter");
  await until("main has the focus", () => page.evaluate(() => document.activeElement.id === "main"));
});

test("focus returns to what opened a popover, and the page stays where it is", async (t) => {
  const page = await openAlive(t);
  await page.keyboard.press("t");
  await page.evaluate(() => scrollTo(0, 300));
  await page.getByRole("link", { name: "Last 6 hours" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/from=now-6h/);
  assert.equal(await page.evaluate(() => document.activeElement.title), "Time range");
  // Live figures above may grow or shrink by a row meanwhile; a jump to the top would leave nothing.
  const scrolled = await page.evaluate(() => scrollY);
  assert.ok(Math.abs(scrolled - 300) < 100, `the page went to ${scrolled}`);
});

test("the theme is chosen without a reload and remembered", async (t) => {
  const page = await openAlive(t);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.evaluate(() => (window.untouched = true));
  await page.getByTitle("Theme", { exact: true }).click();
  const saved = page.waitForResponse((answer) => answer.url().endsWith("/theme"));
  await page.getByRole("button", { name: "Dark" }).click();
  await page.locator("html[data-theme=dark]").waitFor();
  assert.notEqual(await ground(), light);
  assert.equal(await page.evaluate(() => window.untouched), true);
  await saved;
  await page.reload({ waitUntil: "commit" });
  await page.locator("html[data-theme=dark]").waitFor();
});

test("the range is in the address, and a link shows the same view", async (t) => {
  const page = await openAlive(t);
  await page.getByTitle("Time range").click();
  await page.getByRole("link", { name: "Last 1 hour" }).click();
  await page.waitForURL(/from=now-1h/);
  await page.getByRole("region", { name: "Last 1 hour" }).waitFor();
  await page.getByTitle("Time range").click();
  await page.getByRole("textbox", { name: "From" }).fill("now-3h");
  await page.getByRole("textbox", { name: "To" }).fill("now-1h");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL((url) => url.searchParams.get("from") === "now-3h");
  await liveState(page).filter({ hasText: "Paused" }).waitFor();
  const same = await openAlive(t, page.url().slice(site.demo.url.length));
  await liveState(same).filter({ hasText: "Paused" }).waitFor();
  await page.goBack();
  await page.waitForURL(/from=now-1h/);
});

test("a range that cannot be read is explained", async (t) => {
  const page = await openAlive(t, "/?from=later");
  await page.getByText("The range cannot be used").waitFor();
  await page.getByRole("region", { name: "Health" }).waitFor();
});

test("share copies a link with a fixed range", async (t) => {
  const page = await openAlive(t);
  await page.getByRole("banner").getByText("Share", { exact: true }).click();
  const link = new URL(await page.getByRole("textbox", { name: "Link" }).inputValue());
  assert.equal(link.origin, site.demo.url);
  assert.equal(link.searchParams.get("target"), "shop");
  const hours = (Number(link.searchParams.get("to")) - Number(link.searchParams.get("from"))) / 3_600_000;
  assert.equal(hours, 1);
});

test("the target picker names the target and its servers", async (t) => {
  const page = await openAlive(t);
  await page.getByTitle("Target", { exact: true }).click();
  const target = page.getByRole("link", { name: /^shop/ });
  assert.match(await target.innerText(), new RegExp(`PostgreSQL ${site.demo.postgresVersion ? "\\d+" : ""}`));
  await target.click();
  await page.waitForURL(/target=shop/);
  await page.getByRole("region", { name: "Health" }).waitFor();
});

test("an unknown target is an error of the page's, the frame stays", async (t) => {
  const page = await open(t, "/?target=nowhere");
  await page.getByRole("alert").getByText(/nowhere/).waitFor();
  await page.getByRole("navigation", { name: "Main", exact: true }).waitFor();
  await hydrated(page);
  await page.getByRole("link", { name: "Open the default target" }).click();
  await page.getByRole("region", { name: "Health" }).waitFor();
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Overview of shop");
});

test("no page has this address", async (t) => {
  const page = await open(t, "/nowhere");
  assert.equal(page.answer.status(), 404);
  await page.getByRole("link", { name: "Open Overview" }).click();
  await page.getByRole("region", { name: "Health" }).waitFor();
  await page.getByText("Open access.").waitFor();
});

test("headers keep strangers out", async (t) => {
  const page = await openAlive(t);
  const headers = page.answer.headers();
  const policy = headers["content-security-policy"];
  assert.match(policy, /default-src 'self'/);
  assert.match(policy, /script-src 'self' 'wasm-unsafe-eval' 'nonce-[^']{16,}'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe-eval'(?<!wasm-unsafe-eval')|script-src[^;]*unsafe-inline/);
  assert.equal(headers["x-content-type-options"], "nosniff");
  const other = await open(t);
  const nonce = (text) => /'nonce-([^']+)'/.exec(text)[1];
  assert.notEqual(nonce(other.answer.headers()["content-security-policy"]), nonce(policy), "a nonce is used once");
  assert.deepEqual(page.problems, []);
});

// Links and snapshots: the same view for someone else, for as long and for whom it was meant.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePort, serve } from "../lib/console.mjs";
import { api, open, openAlive, picture, site } from "../lib/site.mjs";
import { until } from "../lib/wait.mjs";

const PASSWORD = "correct horse battery";
const METRICS = "m=database.connections/database.queries";

// The state of the console that this spec ages while it rests.
const sqlite = (sql) => execFileSync("sqlite3", [join(site.work, "shares", "headroom.sqlite"), sql], { encoding: "utf8" });

let guarded;
let wiki;
let server;
after(() => server.close());
before(async () => {
  // A site of its own that embeds what it is given.
  server = createServer((request, response) => {
    const source = new URL(request.url, "http://wiki").searchParams.get("of");
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><title>wiki</title><iframe title="shared" width="1000" height="800" src="${source}"></iframe>`);
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  wiki = `http://127.0.0.1:${port}`;
  const config = [`[share]`, `embed_origins = ["${wiki}"]`].join("\n");
  guarded = await serve(site, "shares", {
    users: { ann: ["operator", PASSWORD] },
    targets: ["shop"],
    config,
  });
  const base = site.demo.url;
  // A fixed link ends at the last full minute: that has to lie within what was measured.
  await until("there are points to share", async () => {
    const { series } = await api("/api/v1/history?metric=database.connections&from=now-15m", { base });
    return series[0].avg.filter((value) => value !== null).length >= 15;
  }, { within: 150_000, every: 1000 });
});

async function signedIn(t, path, name, options = {}) {
  const page = await open(t, path, { base: guarded.url, ...options });
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL((url) => url.pathname !== "/login");
  return page;
}

/** What the legends of a page say: the figures of every line. */
const figures = (page) =>
  page.getByRole("region", { name: "Charts" }).locator("table.legend tbody").allInnerTexts();
const lines = (page) =>
  page.getByRole("region", { name: "Charts" }).locator("path.ln").evaluateAll((paths) => paths.filter((path) => path.getAttribute("d")).length);

const share = (page) => page.getByRole("banner").locator("#share > summary");

/** Makes a snapshot through the popover; answers its link. */
async function snapshot(page, { audience = "Anyone with the link", lifetime = "7 days" } = {}) {
  await share(page).click();
  await page.getByRole("radio", { name: /^Snapshot/ }).check();
  await page.getByText(/^\d+ metrics?, [\d.]+ (B|KiB)$/).waitFor();
  await page.getByLabel("Who may open it").selectOption({ label: audience });
  await page.getByLabel("Opens for").selectOption({ label: lifetime });
  await page.getByRole("button", { name: "Create link" }).click();
  return page.getByLabel("Link to the snapshot").inputValue();
}

test("a link shows the same points in another browser, also with JavaScript off", async (t) => {
  const page = await openAlive(t, `/trends?target=shop&from=now-15m&to=now&${METRICS}`);
  await share(page).click();
  await page.getByText(/data kept by the minute until/).waitFor();
  const link = await page.getByLabel("Link", { exact: true }).inputValue();
  assert.match(link, /from=\d+&to=\d+/);
  // What is measured after the end of the range changes nothing.
  const same = await openAlive(t, link.slice(site.demo.url.length));
  const still = await open(t, link.slice(site.demo.url.length), { javaScript: false });
  const again = await open(t, link.slice(site.demo.url.length), { javaScript: false });
  const [here, there] = [await figures(still), await figures(again)];
  assert.ok(here.length >= 2 && here.every((text) => /\d/.test(text)), here.join("\n"));
  assert.deepEqual(there, here);
  assert.deepEqual(await figures(same), here);
  assert.ok((await lines(still)) >= 2, "drawn as SVG");
  assert.deepEqual(same.problems, []);
});

test("a snapshot opens for strangers, pruned, with its target gone; then it is revoked", async (t) => {
  const path = `/trends?target=shop&from=now-15m&to=now&${METRICS}`;
  await until("the console has points of its own", async () => {
    const page = await signedIn(t, path, "ann", { javaScript: false });
    return (await figures(page)).every((text) => /\d/.test(text)) && (await lines(page)) >= 2;
  }, { within: 150_000, every: 2000 });
  const maker = await signedIn(t, path, "ann");
  await share(maker).waitFor();
  const link = await snapshot(maker);
  assert.match(link, new RegExp(`^${guarded.url}/s/[A-Za-z0-9_-]{24}`));
  const at = link.slice(guarded.url.length);
  const stranger = await open(t, at, { base: guarded.url });
  assert.equal(stranger.answer.status(), 200);
  await stranger.getByText(/Snapshot by ann/).waitFor();
  const shown = await figures(stranger);
  assert.ok(shown.length >= 2 && shown.every((text) => /\d/.test(text)), shown.join("\n"));
  assert.equal(await stranger.getByText("Open the live view").count(), 0);
  assert.equal(await stranger.getByRole("navigation").count(), 0);
  await picture(stranger, "snapshot");
  // Nothing is asked of the server that strangers may not ask.
  assert.deepEqual(stranger.problems, []);
  const meta = (name) => stranger.locator(`meta[property="${name}"]`).getAttribute("content");
  assert.match(await meta("og:title"), /Connections in use and Throughput of shop/);
  assert.match(await meta("og:description"), /\d/);

  const image = await fetch(await meta("og:image"));
  assert.equal(image.headers.get("content-type"), "image/png");
  const bytes = Buffer.from(await image.arrayBuffer());
  assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [1200, 630]);
  writeFileSync(`${site.results}/preview.png`, bytes);
  const neutral = Buffer.from(await (await fetch(`${guarded.url}/preview.png`)).arrayBuffer());
  assert.ok(bytes.length > neutral.length, "a picture with charts in it");

  const short = await (async () => {
    await maker.goto(path);
    return snapshot(maker, { lifetime: "1 day" });
  })();
  await guarded.stop();
  sqlite("DELETE FROM minutes; DELETE FROM hours;");
  sqlite(`UPDATE shares SET expires_at = created_at + 1 WHERE id = '${new URL(short).pathname.slice(3)}'`);
  const dead = `postgres://nobody@127.0.0.1:${await freePort()}/none`;
  writeFileSync(
    guarded.file,
    `[[targets]]\nid = "other"\ndatabase_url = "${dead}"\n[share]\nembed_origins = ["${wiki}"]\n`,
    { mode: 0o600 },
  );
  await guarded.start();
  for (const javaScript of [true, false]) {
    const later = await open(t, at, { base: guarded.url, javaScript });
    assert.equal(later.answer.status(), 200);
    assert.deepEqual(await figures(later), shown, "the points as they were");
    assert.ok((await lines(later)) >= 2);
  }
  const expired = await open(t, short.slice(guarded.url.length), { base: guarded.url });
  assert.equal(expired.answer.status(), 410);
  await expired.getByRole("heading", { name: "This snapshot has expired" }).waitFor();

  // Embedded by a page that may, and by one that asks for the whole page.
  const embedding = await open(t, `/?of=${encodeURIComponent(`${link}?embed=1`)}`, { base: wiki });
  const frame = embedding.frameLocator("iframe[title=shared]");
  await frame.getByText(/Open in Headroom/).waitFor();
  assert.equal(await frame.getByText("Open the live view").count(), 0);
  const refused = await open(t, `/?of=${encodeURIComponent(link)}`, { base: wiki });
  await until("the whole page is refused", () => refused.problems.some((text) => text.includes("frame-ancestors")));

  const admin = await signedIn(t, "/settings", "ann");
  const links = admin.getByRole("region", { name: "Shared links" });
  const row = links.getByRole("row").filter({ has: admin.locator(`a[href="${at}"]`) });
  await row.getByText("Revoke…").click();
  await row.getByRole("button", { name: "Revoke now" }).click();
  // What opens no longer is no link.
  await row.waitFor({ state: "detached" });
  await links.getByText(/^revoked .* by ann$/).waitFor();
  const ended = await open(t, at, { base: guarded.url });
  assert.equal(ended.answer.status(), 410);
  await ended.getByRole("heading", { name: "This snapshot was revoked" }).waitFor();
});

test("the popover fits a phone, and a snapshot leads on to the live view", async (t) => {
  const page = await openAlive(t, `/trends?target=shop&from=now-15m&to=now&${METRICS}`, { width: 390 });
  await share(page).click();
  const panel = page.locator("#share > .panel");
  const { x, width } = await panel.boundingBox();
  assert.ok(x >= 0 && x + width <= 390, "the popover fits a phone");
  await page.keyboard.press("Escape");
  const made = await api("/api/v1/shares", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ view: `target=shop&from=now-15m&to=now&${METRICS}`, lifetime: "day" }),
  });
  const reader = await open(t, made.path);
  await reader.getByText("Opens for everyone who can sign in").waitFor();
  await reader.getByRole("link", { name: "Open the live view" }).waitFor();
});

test("without JavaScript a form shares, and a form revokes", async (t) => {
  const page = await open(t, `/trends?target=shop&from=now-15m&to=now&${METRICS}`, { javaScript: false });
  await share(page).click();
  await page.getByRole("link", { name: "Share a snapshot of the points…" }).click();
  await page.getByLabel("Title").fill("What we saw");
  await page.getByRole("button", { name: "Share snapshot" }).click();
  const link = await page.locator("#made-link").inputValue();
  const shown = await open(t, link, { javaScript: false });
  await shown.getByRole("heading", { level: 1, name: "What we saw" }).waitFor();
  await page.getByRole("button", { name: "Revoke the link" }).click();
  await page.waitForURL(/\/settings/);
  assert.equal((await shown.reload()).status(), 410);
});

test("a link to what is no longer kept says so and leads on", async (t) => {
  const page = await open(t, "/?target=shop&from=1000000000000&to=1000003600000");
  await page.getByText(/^Nothing is kept before .*; minutes for 30 days, hours for 25 months\.$/).waitFor();
  await page.getByRole("link", { name: /^Open \d/ }).click();
  await page.waitForURL((url) => Number(url.searchParams.get("from")) > 1_000_003_600_000);
});

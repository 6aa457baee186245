// With a user defined, the console asks who you are, and what you may do depends on the answer.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { serve } from "../lib/console.mjs";
import { hydrated, open, site } from "../lib/site.mjs";

const operator = ["operator.1", "correct horse battery"];
const viewer = ["viewer.1", "staple battery horse"];
let base;

before(async () => {
  const users = { [operator[0]]: ["operator", operator[1]], [viewer[0]]: ["viewer", viewer[1]] };
  ({ url: base } = await serve(site, "login", { users }));
});

async function signIn(page, [name, password]) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("strangers are asked, and come where they wanted to go", async (t) => {
  const page = await open(t, "/?from=now-1h", { base });
  assert.equal(new URL(page.url()).pathname, "/login");
  await signIn(page, [operator[0], "wrong"]);
  await page.getByRole("alert").getByText("Name or password is wrong.").waitFor();
  await signIn(page, operator);
  await page.waitForURL(/from=now-1h/);
  await hydrated(page);
  await page.getByText("Reset…").waitFor();
  await page.getByLabel(`User menu, ${operator[0]}`).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/login/);
  assert.equal((await page.request.get(`${base}/api/v1/health`)).status(), 401);
});

test("a viewer sees everything and presses nothing", async (t) => {
  const page = await open(t, "/", { base, javaScript: false });
  await signIn(page, viewer);
  const actions = page.getByRole("region", { name: "Actions" });
  await actions.getByText("Needs the role operator").first().waitFor();
  assert.equal(await actions.getByText("Needs the role operator").count(), 3, "warm, clear, reset");
  assert.equal(await actions.getByText(/Reset…|Clear…|Warm…/).count(), 0);
  const refused = await page.request.post(`${base}/api/v1/stats/reset`, {
    data: { scope: "requests" },
    headers: { origin: base },
  });
  assert.equal(refused.status(), 403);
});

test("a form on another site cannot act", async (t) => {
  const page = await open(t, "/", { base, javaScript: false });
  await signIn(page, operator);
  const forged = await page.request.post(`${base}/api/v1/stats/reset`, {
    data: { scope: "requests" },
    headers: { origin: "https://elsewhere.example" },
  });
  assert.equal(forged.status(), 403);
});

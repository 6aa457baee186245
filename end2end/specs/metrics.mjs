// What Prometheus reads, checked with its own tool where that is installed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { site } from "../lib/site.mjs";

const read = async (accept) => {
  const answer = await fetch(`${site.demo.url}/metrics`, { headers: { accept } });
  return { type: answer.headers.get("content-type"), text: await answer.text(), status: answer.status };
};

test("/metrics speaks Prometheus to Prometheus and JSON to others", async () => {
  const text = await read("text/plain;version=0.0.4");
  assert.equal(text.status, 200);
  assert.match(text.type, /^text\/plain/);
  assert.match(text.text, /^headroom_\w+\{[^}]*target="shop"[^}]*\} \d/m);
  const json = await read("application/json");
  assert.match(json.type, /^application\/json/);
  assert.equal(JSON.parse(json.text).success, true);
});

const missing = spawnSync("promtool", ["--version"]).error && "promtool is not installed";
test("promtool finds nothing", { skip: missing }, async () => {
  const { text } = await read("*/*");
  const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  assert.equal(checked.stderr.trim(), "");
});

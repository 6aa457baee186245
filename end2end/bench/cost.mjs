// What watching costs: resident memory and CPU of `headroom serve`, and CPU of its backends on the target, under the
// demo's workload. Figures come from /proc, so they are the kernel's and not our own.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../lib/console.mjs";
import { ready, start, startDemo, stop } from "./lib/stage.mjs";

/** Past the first heavy collection. */
const SETTLE_MS = 10_000;

// utime + stime in clock ticks (100 a second on Linux), and VmRSS in KiB.
function ticks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
const field = (pid, name) => new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
const residentKib = (pid) => Number(field(pid, "VmRSS"));

/** Processes of a PostgreSQL that serve `role`: their titles begin with it. */
function backendsOf(postmaster, role) {
  const ours = (pid) => {
    try {
      return field(pid, "PPid") === String(postmaster) && readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(`postgres: ${role} `);
    } catch {
      return false; // it has ended meanwhile
    }
  };
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && ours(name)).map(Number);
}

export async function measure(run) {
  const demo = await startDemo(run, "cost-demo", { pace: 1 });
  let serve;
  try {
    const listen = `127.0.0.1:${await freePort()}`;
    const url = `http://${listen}`;
    serve = start(run.binary, ["serve", "--listen", listen, "--data-dir", join(run.work, "cost-serve")], {
      log: join(run.work, "cost-serve.log"),
      env: { DATABASE_URL: demo.postgresUrl, REDIS_URL: demo.redisUrl ?? "" },
    });
    await ready(serve, "headroom serve", async () => (await fetch(`${url}/api/v1/ready`)).ok);
    await sleep(SETTLE_MS);

    // The demo's own console and its shop have other roles.
    const ours = backendsOf(demo.postgresPid, new URL(demo.postgresUrl).username);
    const sum = () => ours.reduce((total, pid) => total + (existsSync(`/proc/${pid}`) ? ticks(pid) : 0), 0);
    const [serve0, target0, t0] = [ticks(serve.pid), sum(), performance.now()];
    await sleep(run.quick ? 3_000 : 60_000);
    const seconds = (performance.now() - t0) / 1000;
    // Ticks are hundredths of a second.
    const [serveCpu, targetCpu] = [(ticks(serve.pid) - serve0) / seconds, (sum() - target0) / seconds];
    const current = (await (await fetch(`${url}/api/v1/metrics/current`)).json()).data;
    return {
      seconds,
      residentMib: residentKib(serve.pid) / 1024,
      cpuPercent: serveCpu,
      backends: ours.length,
      backendsCpuPercent: targetCpu,
      ownFigurePercent: current.figures?.["self.target_load"] ?? null,
    };
  } finally {
    if (serve) await stop(serve);
    await stop(demo.child);
  }
}

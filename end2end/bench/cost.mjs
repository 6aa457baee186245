// What watching costs: resident memory and CPU of `headroom serve`, CPU of its backends on the target, over one minute
// of the demo's workload. Figures come from /proc, so they are the kernel's and not our own.
//   node end2end/bench/cost.mjs [seconds]        needs headroom, built for release or debugging, and psql
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const seconds = Number(process.argv[2] ?? 60);
const target = process.env.CARGO_TARGET_DIR ?? 'target';
const binary = process.env.HEADROOM_BIN
  ?? [join(target, 'release/headroom'), join(target, 'debug/headroom')].find(existsSync)
  ?? fail('build first: make release (or make run)');
const work = mkdtempSync(join(tmpdir(), 'headroom-cost-'));
chmodSync(work, 0o711); // as root the servers run as another user, who must be able to enter
const children = [];

function fail(message) {
  console.error(message);
  process.exit(1);
}
const sleep = ms => new Promise(done => setTimeout(done, ms));
const freePort = () => new Promise(done => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});
async function until(what, check, limitMs = 120_000) {
  for (const start = Date.now(); Date.now() - start < limitMs; await sleep(200)) {
    const found = await check().catch(() => undefined);
    if (found) return found;
  }
  throw new Error(`${what} did not happen within ${limitMs / 1000} s`);
}
function start(args, env = {}) {
  const child = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}
const ready = url => async () => (await fetch(`${url}/api/v1/ready`)).ok;

// utime + stime in clock ticks (100 a second on Linux), and VmRSS in KiB.
const ticks = pid => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
const residentKib = pid => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

try {
  const [demoPort, servePort] = [await freePort(), await freePort()];
  start(['demo', '--listen', `127.0.0.1:${demoPort}`, '--data-dir', join(work, 'demo')]);
  const demo = await until('the demo', async () => {
    const info = JSON.parse(readFileSync(join(work, 'demo', 'demo.json'), 'utf8'));
    return (await ready(info.url)()) && info;
  });
  const beside = join(demo.postgresBin, 'psql');
  const psql = existsSync(beside) ? beside : 'psql';
  if (spawnSync(psql, ['--version']).error) {
    throw new Error('psql is missing: it names the backends to measure. PostgreSQL from npm comes without it.');
  }
  const backends = () => execFileSync(psql, [demo.postgresUrl, '-XAtc',
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'headroom/%'"], { encoding: 'utf8' })
    .split('\n').filter(Boolean).map(Number);
  const before = new Set(backends());

  const serve = start(['serve', '--listen', `127.0.0.1:${servePort}`, '--data-dir', join(work, 'serve')],
    { DATABASE_URL: demo.postgresUrl, REDIS_URL: demo.redisUrl });
  const url = `http://127.0.0.1:${servePort}`;
  await until('headroom serve', ready(url));
  await sleep(10_000); // past the first heavy collection

  const ours = backends().filter(pid => !before.has(pid));
  const sum = () => ours.reduce((total, pid) => total + (existsSync(`/proc/${pid}`) ? ticks(pid) : 0), 0);
  const [serve0, target0, t0] = [ticks(serve.pid), sum(), Date.now()];
  await sleep(seconds * 1000);
  const elapsed = (Date.now() - t0) / 1000;
  const share = (now, then) => `${((now - then) / elapsed).toFixed(2)} %`; // ticks are hundredths of a second
  const current = (await (await fetch(`${url}/api/v1/metrics/current`)).json()).data;

  console.log(`binary                          ${binary}`);
  console.log(`measured                        ${elapsed.toFixed(0)} s`);
  console.log(`console, resident memory        ${(residentKib(serve.pid) / 1024).toFixed(1)} MiB`);
  console.log(`console, CPU of one core        ${share(ticks(serve.pid), serve0)}`);
  console.log(`its ${String(ours.length).padEnd(2)} backends, CPU of one core ${share(sum(), target0)}`);
  console.log(`own figure, self.target_load    ${JSON.stringify(current.figures?.['self.target_load'] ?? null)} %`);
} finally {
  for (const child of children.reverse()) {
    child.kill('SIGTERM');
    await new Promise(done => (child.exitCode ?? child.signalCode) !== null ? done() : child.once('exit', done));
  }
  rmSync(work, { recursive: true, force: true });
}

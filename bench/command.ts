import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Stack } from '../local/stack.ts';
import { type Client, login } from '../test/client.ts';
import { startBaselines } from './baselines.ts';
import { Jobs } from './jobs.ts';
import { quantile, round, type Series, series, table, throughput } from './measure.ts';

const COUNT = Number(process.env.MUSUBI_BENCH_COUNT ?? 300);
const LANES = 40;
/** Local activities of a PATCH that changes the login: three steps, the wait for the read model, the job's end. */
const STEPS = 5;

/**
 * `npm run bench command`: a PATCH of a member and its login, and a registration, each from the request to the
 * `completed` frame on the socket; beside them, on the same Temporal in the same run, a naive saga and the floor.
 */
export async function run(stack: Stack): Promise<void> {
  const admin = await login(stack.admin.loginId, stack.admin.password);
  let jobs = await Jobs.follow(admin);
  const baselines = await startBaselines();
  const all: Record<string, Series> = {};
  try {
    const members = await Promise.all(Array.from({ length: LANES }, (_, lane) => registered(admin, jobs, `lane${lane}`)));
    let names = 0;
    // From one name to the other and back: only so many former names are held for a member.
    const renamed = members.map(() => false);
    const nextLogin = (lane: number): string => {
      renamed[lane] = !renamed[lane];
      return renamed[lane] ? `lane${lane}.renamed` : `lane${lane}`;
    };
    const patch = async (_: number, lane: number): Promise<void> => {
      const change = { displayName: `name ${names++}`, loginId: nextLogin(lane) };
      await jobs.done(await admin.patch(`/v1/members/${members[lane]}`, change));
    };
    const naive = (_: number, lane: number): Promise<void> => baselines.naive(members[lane] ?? '', nextLogin(lane));
    const floor = (): Promise<void> => baselines.floor(STEPS);
    const register = async (): Promise<void> => void (await registered(admin, jobs, `registered${names++}`));

    for (const work of [patch, naive, floor]) await series('warm-up', { count: 40, concurrency: 8, pids: {} }, work);
    for (const concurrency of [1, LANES]) {
      const options = { count: COUNT, concurrency, pids: stack.pids() };
      for (const [name, work] of Object.entries({ patch, naive, floor, register })) {
        // Access tokens, and sockets with them, last five minutes.
        admin.token = (await login(stack.admin.loginId, stack.admin.password)).token;
        await jobs.close();
        jobs = await Jobs.follow(admin);
        const hashing = name === 'register' ? await argon2Seconds(stack) : 0;
        const done = await series(name, options, work);
        if (name === 'register') done.cpu['of which the password hash'] = ((await argon2Seconds(stack)) - hashing) * 1_000;
        all[`${name} ${concurrency}`] = done;
        process.stdout.write(
          `${name}, ${concurrency} at a time: p50 ${round(quantile(done, 0.5))} ms, ${round(throughput(done))} per second\n`,
        );
      }
    }
  } finally {
    await baselines.stop();
    await jobs.close();
  }
  const report = render(all);
  process.stdout.write(`\n${report}\n`);
  mkdirSync(join(import.meta.dirname, 'results'), { recursive: true });
  writeFileSync(join(import.meta.dirname, 'results', 'command.md'), report);
}

async function registered(admin: Client, jobs: Jobs, name: string): Promise<string> {
  const body = { loginId: name, password: `password of ${name}`, displayName: name, email: `${name}@example.com` };
  const { result } = await jobs.done(await admin.post('/v1/members', body));
  return String((result as { id: string }).id);
}

/** Seconds that Auth has spent in argon2id so far, by its own histogram. */
async function argon2Seconds(stack: Stack): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${stack.ports.auth?.ops}/metrics`)).text();
  return Number(text.match(/^musubi_auth_argon2_seconds_sum(?:\{[^}]*\})? (\S+)$/m)?.[1] ?? Number.NaN);
}

/** The sum over processes, ms; rows that are a part of another one are left out. */
function ofProcesses(cpu: Record<string, number>, isMeant: (name: string) => boolean = () => true): number {
  const meant = Object.entries(cpu).filter(([name]) => !name.startsWith('of which') && isMeant(name));
  return meant.reduce((sum, [, ms]) => sum + ms, 0);
}

function render(all: Record<string, Series>): string {
  const at = (name: string): Series => {
    const found = all[name];
    if (!found) throw new Error(name);
    return found;
  };
  const titles: Record<string, string> = {
    patch: 'PATCH, member and login (Musubi)',
    naive: 'naive saga: the same steps as regular activities',
    floor: `floor: ${STEPS} no-op local activities`,
    register: 'registration (Musubi)',
  };
  const rows = Object.values(all).map((s) => [
    `${titles[s.name]}, ${s.concurrency} at a time`,
    quantile(s, 0.5),
    quantile(s, 0.95),
    throughput(s),
  ]);
  // Of a PATCH the benchmark is only the client; of the naive saga and the floor it is the worker, too.
  const ofPatch = at(`patch ${LANES}`);
  const patchCpu = ofProcesses(ofPatch.cpu, (name) => name !== 'the benchmark') / ofPatch.times.length;
  const aims = [
    ['PATCH p50, 1 at a time, ms', quantile(at('patch 1'), 0.5), '≤ 55'],
    [`PATCH CPU without its client, ${LANES} at a time, ms`, patchCpu, '≤ 40'],
    ['PATCH p50 ÷ naive p50, 1 at a time', quantile(at('patch 1'), 0.5) / quantile(at('naive 1'), 0.5), '≤ 0.40'],
    [
      `PATCH p50 ÷ naive p50, ${LANES} at a time`,
      quantile(at(`patch ${LANES}`), 0.5) / quantile(at(`naive ${LANES}`), 0.5),
      '≤ 0.40',
    ],
    [
      `PATCH throughput ÷ naive's, ${LANES} at a time`,
      throughput(at(`patch ${LANES}`)) / throughput(at(`naive ${LANES}`)),
      '≥ 2.4',
    ],
    [
      `PATCH throughput ÷ the floor's, ${LANES} at a time`,
      throughput(at(`patch ${LANES}`)) / throughput(at(`floor ${LANES}`)),
      '≥ 0.5',
    ],
  ].map(([name, ratio, aim]) => [String(name), Number(ratio).toFixed(2), String(aim)]);
  const columns = Object.values(all);
  const processes = [...new Set(columns.flatMap(({ cpu }) => Object.keys(cpu)))];
  const cpu = [...processes, 'sum'].map((process) => [
    process,
    ...columns.map((s) => {
      const own = process === 'sum' ? ofProcesses(s.cpu) : (s.cpu[process] ?? 0);
      return round(own / s.times.length);
    }),
  ]);
  return [
    `# Commands: request → completed\n\n\`npm run bench command\`; ${COUNT} of each on ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}.`,
    table(['what', 'p50 ms', 'p95 ms', 'per second'], rows),
    table(['ratio or cost', 'measured', 'aim'], aims),
    '## CPU milliseconds a command, by process',
    table(['process', ...columns.map((s) => `${s.name} ×${s.concurrency}`)], cpu),
    '',
  ].join('\n\n');
}

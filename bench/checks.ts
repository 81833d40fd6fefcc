import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { Caller, keyVariable } from '#platform/grpc/callers.ts';
import { connectPeers, peerShape } from '#platform/grpc/peers.ts';
import { loadConfig } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import type { Stack } from '../local/stack.ts';
import { calledBy } from '../services/may-call.ts';
import { address, login } from '../test/client.ts';
import { logIn, POLICIES, prepare, ROLES } from './checks/prepare.ts';
import { IN_FLIGHT, type Work, worksOf } from './checks/works.ts';
import { cpuMs, merged, quantile, type Series, series, table, throughput } from './measure.ts';

/** How often everything is measured, one after the other. */
const ROUNDS = Number(process.env.MUSUBI_BENCH_ROUNDS ?? 3);
const IDLE_MS = 5_000;
const AIM_MS = 0.8;
/** The part of a work that is done before it is measured: more calls than there are few kinds. */
const WARMING = 5;

interface Measured {
  work: Work;
  done: Series;
  /** 0 to 1. */
  remembered: number | undefined;
}

/**
 * `npm run bench checks`: what a permission check costs Auth and its store, asked for by gRPC as the gateway does it; beside it, in the
 * same run and turn by turn, the bare look-up in the store, the bare signature and Cedar alone.
 */
export async function run(stack: Stack): Promise<void> {
  const admin = await login(stack.admin.loginId, stack.admin.password);
  const prepared = await prepare(admin, IN_FLIGHT);
  const lifecycle = new Lifecycle(createLogger('bench', 'warn'), 5_000);
  const contracts = { auth: calledBy('gateway').auth };
  const caller = new Caller('gateway', process.env[keyVariable('gateway')] ?? '');
  const { auth } = connectPeers(contracts, { config: loadConfig(peerShape(contracts), process.env), caller, lifecycle });
  // As Auth reads.
  const mongo = new MongoClient(address('MUSUBI_MONGODB_URL'), { maxPoolSize: 10, readConcern: { level: 'majority' } });
  try {
    const lanes = [...prepared.plain, ...prepared.loaded];
    await logIn(lanes);
    const works = await worksOf({ auth, db: mongo.db('musubi_auth'), prepared });
    const own = stack.pids();
    const pids = { Auth: own.auth ?? own.app ?? 0, MongoDB: own.mongodb ?? 0 };
    const idle = await idleRates(pids);
    const rounds = new Map<Work, Omit<Measured, 'work'>[]>();
    for (let round = 1; round <= ROUNDS; round++) {
      // Access tokens last five minutes.
      await logIn(lanes);
      for (const work of works) {
        // What is remembered of the works before it is not what it asks for.
        await measure({ ...work, count: Math.ceil(work.count / WARMING) }, {});
        const measured = await measure(work, pids);
        rounds.set(work, [...(rounds.get(work) ?? []), measured]);
        process.stdout.write(`${round}: ${line({ work, ...measured }, idle).join('  ')}\n`);
      }
    }
    const all = [...rounds].map(([work, parts]): Measured => {
      const shares = parts.flatMap(({ remembered }) => remembered ?? []);
      const remembered = shares.length === 0 ? undefined : shares.reduce((sum, one) => sum + one, 0) / shares.length;
      return { work, done: merged(parts.map(({ done }) => done)), remembered };
    });
    const report = render(all, idle, 'auth' in own);
    process.stdout.write(`\n${report}\n`);
    mkdirSync(join(import.meta.dirname, 'results'), { recursive: true });
    writeFileSync(join(import.meta.dirname, 'results', 'checks.md'), report);
  } finally {
    await mongo.close();
    await lifecycle.stop('done');
  }
}

async function measure(
  { title, count, concurrency, one, remembered }: Work,
  pids: Record<string, number>,
): Promise<Omit<Measured, 'work'>> {
  remembered?.();
  const done = await series(title, { count, concurrency, pids }, async (i) => void (await one(i)));
  return { done, remembered: remembered?.() };
}

/** What both take while nobody asks for anything: CPU ms a second. */
async function idleRates(pids: Record<string, number>): Promise<Record<string, number>> {
  const before = Object.entries(pids).map(([name, pid]) => [name, pid, cpuMs(pid)] as const);
  await sleep(IDLE_MS);
  return Object.fromEntries(before.map(([name, pid, ms]) => [name, (cpuMs(pid) - ms) / (IDLE_MS / 1_000)]));
}

/** CPU ms of a check: of who does it, and of MongoDB. */
function costsOf({ work: { by, checks }, done }: Measured, idle: Record<string, number>): { own: number; store: number } {
  const each = (name: string): number =>
    Math.max(0, (done.cpu[name] ?? 0) - (idle[name] ?? 0) * done.seconds) / (done.times.length * checks);
  return { own: each(by === 'Auth' ? 'Auth' : 'the benchmark'), store: each('MongoDB') };
}

function line(measured: Measured, idle: Record<string, number>): string[] {
  const { work, done, remembered } = measured;
  const { own, store } = costsOf(measured, idle);
  return [
    work.title,
    work.by,
    String(work.concurrency),
    Math.round(throughput(done) * work.checks).toString(),
    quantile(done, 0.5).toFixed(2),
    quantile(done, 0.99).toFixed(2),
    remembered === undefined ? '' : `${(remembered * 100).toFixed(0)} %`,
    own.toFixed(3),
    store.toFixed(3),
    (own + store).toFixed(3),
    work.by === 'Auth' && remembered !== undefined ? `≤ ${AIM_MS}` : '',
  ];
}

function render(all: readonly Measured[], idle: Record<string, number>, isAlone: boolean): string {
  const head = ['what', 'by', 'at once', 'checks/s', 'p50 ms', 'p99 ms', 'remembered', 'CPU ms', 'MongoDB ms', 'together', 'aim'];
  return [
    `# Permission checks\n\n\`npm run bench checks\`; ${ROUNDS} rounds on ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}; Auth ${isAlone ? 'in a process of its own' : 'in one process with others'}, asked by gRPC over a socket. CPU is that of a check: of Auth's process, or of the benchmark's where that does it, and of MongoDB, without what they take when nobody asks. Times are those of a call. \`remembered\`: the share of the checks that Auth answers by a decision that it remembers; the others are Cedar's. Members that hold "30 roles" hold ${ROLES} of ${POLICIES} policies each beside the built-in one.`,
    table(
      head,
      all.map((measured) => line(measured, idle)),
    ),
    '',
  ].join('\n\n');
}

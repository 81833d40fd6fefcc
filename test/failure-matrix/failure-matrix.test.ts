import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { FAULTS, type Fault } from './faults.ts';
import { type Ended, Ground } from './ground.ts';
import { type Case, type Context, WAYS } from './sagas.ts';
import { type Snapshot, Stores, shape } from './snapshot.ts';
import { Turns } from './turns.ts';

// For every saga, at every step, every fault: afterwards every store is exactly as before, or exactly done.

/** Cases at the same time, over all tests: two cores do no more. */
const AT_ONCE = 6;

let ground: Ground;
let stores: Stores;
/** Of each way: the steps it calls when nothing goes wrong, and what the stores look like then. */
const golden = new Map<string, { steps: string[]; done: Snapshot }>();
const cases: string[] = [];
let leaks = 0;
const turns = new Turns(AT_ONCE);

test.before(async () => {
  ground = await Ground.open();
  stores = new Stores();
  for (const [way, { make }] of Object.entries(WAYS)) {
    const made = await make(context());
    const { state, calls } = await ground.run(made);
    if (state !== 'completed') throw new Error(`${way} without faults ended ${state}`);
    golden.set(way, { steps: calls, done: shape(await stores.snapshot(Object.values(made.ids)), made.ids) });
  }
});

test.after.always(async () => {
  process.stderr.write(`failure matrix: ${cases.length} cases, ${leaks} leaks\n`);
  await ground?.close();
  await stores?.close();
});

const context = (): Context => ({ peers: ground.peers, run: (made) => ground.run(made) });

/** Checks that the stores are as the job says: exactly done, or exactly as before. */
async function check(t: ExecutionContext, way: string, what: string, made: Case, before: Snapshot, ended: Ended): Promise<void> {
  const done = golden.get(way)?.done ?? [];
  const ids = Object.values(made.ids);
  const expected = ended.state === 'completed' ? done : shape(before, made.ids);
  let now: Snapshot = [];
  // Undoing is no promise to queries: the read model follows within moments.
  for (let i = 0; i < 50; i++) {
    now = shape(await stores.snapshot(ids), made.ids);
    if (JSON.stringify(now) === JSON.stringify(expected)) break;
    await sleep(100);
  }
  cases.push(what);
  if (JSON.stringify(now) !== JSON.stringify(expected)) leaks++;
  t.deepEqual(now, expected, `${what} ended ${ended.state} (${ended.code ?? 'no error'}), calls: ${ended.calls.join(' ')}`);
}

/**
 * How a job must end. Steps after the pivot get through whatever happens; a request to cancel that comes
 * during the pivot may find it done.
 *
 * @param side where it happens: -1 before the pivot, 0 at it, 1 after it
 */
function expectedStates(fault: Fault, side: number): string[] {
  if (fault === 'applied then timed out' || fault === 'applied twice' || side > 0) return ['completed'];
  if (!fault.startsWith('cancelled')) return ['failed'];
  return side < 0 ? ['cancelled'] : ['cancelled', 'completed'];
}

for (const way of Object.keys(WAYS)) {
  for (const fault of FAULTS) {
    test(`${way}: ${fault}, at every step`, async (t) => {
      const steps = golden.get(way)?.steps ?? [];
      t.true(steps.length >= 4);
      await Promise.all(steps.map((step) => turns.take(() => one(t, way, fault, step))));
    });
  }
}

async function made(way: string): Promise<Case> {
  const found = WAYS[way];
  if (!found) throw new Error(way);
  return await found.make(context());
}

async function one(t: ExecutionContext, way: string, fault: Fault, step: string): Promise<void> {
  const steps = golden.get(way)?.steps ?? [];
  const it = await made(way);
  const before = await stores.snapshot(Object.values(it.ids));
  const ended = await ground.run(it, { fault, step });
  const what = `${way}, ${step} ${fault}`;
  const pivot = steps.indexOf(WAYS[way]?.pivot ?? '');
  const states = expectedStates(fault, Math.sign(steps.indexOf(step) - pivot));
  t.true(
    states.includes(ended.state),
    `${what} ended ${ended.state} (${ended.code ?? 'no error'}), not ${states.join(' or ')}; calls: ${ended.calls.join(' ')}`,
  );
  await check(t, way, what, it, before, ended);
}

interface Death {
  way: string;
  step: string;
}

/** Runs cases one after the other on a worker that dies of each, and is started again each time. */
async function dyingWorker(t: ExecutionContext, deaths: Death[]): Promise<void> {
  const queue = await Ground.open({ worker: false });
  const folder = mkdtempSync(join(tmpdir(), 'musubi-doomed-'));
  const plans = await Promise.all(deaths.map(async (death) => ({ ...death, one: await turns.take(() => made(death.way)) })));
  const doom = plans.map(({ one, step }) => `${one.aggregateId}=${step}`);
  let over = false;
  let child: ChildProcess | undefined;
  const supervised = (async () => {
    while (!over) {
      child = fork(join(import.meta.dirname, 'doomed-worker.ts'), [queue.taskQueue, folder, ...doom], {
        execPath: process.execPath,
      });
      await once(child, 'exit');
    }
  })();
  try {
    for (const { way, step, one } of plans) {
      const before = await stores.snapshot(Object.values(one.ids));
      const ended = await queue.run(one);
      const what = `${way}, worker killed after ${step}`;
      t.true(existsSync(join(folder, `${one.aggregateId}-${step}`)), `${what}: it was not killed`);
      t.is(ended.state, 'completed', `${what}: ${ended.code}`);
      await check(t, way, what, one, before, ended);
    }
  } finally {
    over = true;
    child?.kill('SIGKILL');
    await supervised;
    await queue.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

test('the worker is killed (SIGKILL) after every step of every saga, before it can tell', async (t) => {
  const deaths = Object.keys(WAYS).flatMap((way) =>
    (golden.get(way)?.steps ?? [])
      .filter((step) => !step.startsWith('job.') && !step.startsWith('query.'))
      .map((step): Death => ({ way, step })),
  );
  t.true(deaths.length >= 15);
  const half = Math.ceil(deaths.length / 2);
  await Promise.all([dyingWorker(t, deaths.slice(0, half)), dyingWorker(t, deaths.slice(half))]);
});

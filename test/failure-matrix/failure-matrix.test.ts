import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { triedCases } from '#platform/cases.fixture.ts';
import { Turns } from '#platform/concurrency/turns.ts';
import { audited } from './audited.ts';
import type { Doom } from './doomed-worker.ts';
import { untold } from './events.ts';
import { FAULTS, type Fault, REFUSED, REPEATED } from './faults.ts';
import { type Ended, Ground } from './ground.ts';
import { type Case, type Context, comparedOf, pivotOf, WAYS } from './sagas.ts';
import { shape } from './shape.ts';
import { type Snapshot, Stores } from './snapshot.ts';

// Sagas with faults at every step: afterwards every store is exactly as before, or exactly done. The engine meets every
// fault at every step in workflows/*.test.ts; here are the steps and undos of each saga, on the real stores. By default
// each of them is undone, and all of a saga are done and undone twice, in the ways that are not left to the whole, and workers go in one way of
// one saga; `npm run matrix` tries all of it.
const FAULTS_BY_DEFAULT = ['applied then given up'];
const WAYS_BY_DEFAULT = Object.keys(WAYS).filter((way) => !WAYS[way]?.onlyInWhole);
const DEATHS_BY_DEFAULT = ['member.update: SIGKILL'];

/** Cases at the same time, over all tests: two cores do no more. */
const AT_ONCE = 6;
/** Cases that one worker's death is for. */
const A_DEATH = 9;
/** How long they may take to be where they shall be, ms: less than the minute after which a saga gives a step up. */
const ALL_THERE_MS = 45_000;

let ground: Ground;
let stores: Stores;
/** Of each way: what it calls when nothing goes wrong and what the stores look like then, and what it calls once its pivot was refused. */
const golden = new Map<string, { steps: string[]; pivot: string; done: Snapshot; undos: string[] }>();
const cases: string[] = [];
const members = new Set<string>();
/** Of all cases. */
const ids = new Set<string>();
/** Whether they are done, by their jobs. */
const outcomes = new Map<string, boolean>();
let leaks = 0;
const tried = triedCases(WAYS, WAYS_BY_DEFAULT);
const turns = new Turns(AT_ONCE);
/** One at a time: sagas that wait for those of another worker would be held up for long, and their tasks time out. */
const deaths = new Turns(1);

test.before(async () => {
  ground = await Ground.open();
  stores = await Stores.open();
  await ground.work();
  for (const [way, { make }] of tried) {
    const [done, undone] = [await make(context()), await make(context())];
    const { state, calls } = await ground.run(done);
    if (state !== 'completed') throw new Error(`${way} without faults ended ${state}`);
    const pivot = pivotOf(done.command, calls);
    const compensated = await ground.run(undone, { fault: 'refused before', step: pivot });
    golden.set(way, {
      // Each once: where queries see it late, the end is called twice.
      steps: [...new Set(calls)],
      pivot,
      done: shape(await stores.snapshot(Object.values(done.ids)), done.ids),
      undos: compensated.calls.slice(compensated.calls.lastIndexOf(pivot) + 1),
    });
  }
});

test.after('every change of every case was told: each version once, in order, up to the one that its store has', async (t) => {
  t.true(members.size > 0);
  t.deepEqual(await untold([...members]), []);
});

test.after('what names an aggregate of a case is where its snapshots look', async (t) => {
  t.true(ids.size > members.size);
  t.deepEqual(await stores.overlooked([...ids]), []);
});

test.after('the audit tells of every case that is done, once, and of none that is not', async (t) => {
  const told = await audited([...outcomes.keys()]);
  t.true(outcomes.size > 0);
  t.deepEqual(
    [...outcomes].filter(([jobId, done]) => (told.get(jobId) ?? 0) !== Number(done)),
    [],
  );
});

test.after.always(async () => {
  process.stderr.write(`failure matrix: ${cases.length} cases, ${leaks} leaks\n`);
  await ground?.close();
  await stores?.close();
});

const context = (): Context => ({ peers: ground.peers, run: (made) => ground.run(made) });

/** Checks that the stores are as the job says: exactly done, or exactly as before. */
async function check(t: ExecutionContext, way: string, what: string, made: Case, before: Snapshot, ended: Ended): Promise<void> {
  const done = ended.state === 'completed';
  const compared = (lines: Snapshot): Snapshot => (done ? lines : comparedOf(made, lines));
  const expected = compared(done ? (golden.get(way)?.done ?? []) : before);
  let now: Snapshot = [];
  // Undoing is no promise to queries: the read model follows within moments.
  for (let i = 0; i < 50; i++) {
    now = compared(await stores.snapshot(Object.values(made.ids)));
    // Another case was done at another time; undone is this one, to the millisecond.
    if (done) now = shape(now, made.ids);
    if (JSON.stringify(now) === JSON.stringify(expected)) break;
    await sleep(100);
  }
  cases.push(what);
  outcomes.set(ended.jobId, done);
  if (made.ids.memberId) members.add(made.ids.memberId);
  for (const id of Object.values(made.ids)) ids.add(id);
  if (JSON.stringify(now) !== JSON.stringify(expected)) leaks++;
  t.deepEqual(now, expected, `${what} ended ${ended.state} (${ended.code ?? 'no error'}), calls: ${ended.calls.join(' ')}`);
}

/**
 * How a job must end. Steps after the pivot get through in every case; a request to cancel that comes
 * during the pivot may find it done.
 *
 * @param side where it happens: -1 before the pivot, 0 at it, 1 after it
 */
function expectedStates(fault: Fault, side: number): string[] {
  if (fault === 'applied then timed out' || side > 0) return ['completed'];
  if (!fault.startsWith('cancelled')) return ['failed'];
  return side < 0 ? ['cancelled'] : ['cancelled', 'completed'];
}

/** How a worker goes, and when: one that is asked to stop gives up the step that it is in the middle of. */
const DEATHS = [
  { signal: 'SIGKILL', when: ['before', 'after'] },
  { signal: 'SIGTERM', when: ['after'] },
] as const;

// Before the others in line, for it is mostly waiting: Temporal must notice first that the worker is gone.
const deathsOf = Object.fromEntries(
  tried.flatMap(([way]) => DEATHS.map((death) => [`${way}: ${death.signal}`, { way, ...death }])),
);
for (const [, { way, signal, when }] of triedCases(deathsOf, DEATHS_BY_DEFAULT)) {
  test(`${way}: the worker goes (${signal}) ${when.join(' and ')} every step and every undo`, async (t) => {
    const { steps = [], pivot = '', undos = [] } = golden.get(way) ?? {};
    t.true(undos.length > steps.indexOf(pivot));
    const calls = [...steps.map((call) => ({ call })), ...undos.map((call) => ({ call, refused: pivot }))];
    const dooms = calls.flatMap((call): Doom[] => when.map((moment) => ({ ...call, when: moment })));
    const starts = Array.from({ length: Math.ceil(dooms.length / A_DEATH) }, (_, i) => i * A_DEATH);
    await Promise.all(starts.map((start) => killed(t, way, dooms.slice(start, start + A_DEATH), signal)));
  });
}

for (const [way] of tried) {
  for (const fault of REPEATED) {
    test(`${way}: ${fault}`, (t) => turns.take(() => repeated(t, way, fault)));
  }
  for (const [, fault] of triedCases(Object.fromEntries(FAULTS.map((fault) => [fault, fault])), FAULTS_BY_DEFAULT)) {
    test(`${way}: ${fault}, at every step`, async (t) => {
      const steps = golden.get(way)?.steps ?? [];
      t.true(steps.length >= 2);
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
  const { steps = [], pivot = '' } = golden.get(way) ?? {};
  const it = await made(way);
  const before = await stores.snapshot(Object.values(it.ids));
  const ended = await ground.run(it, { fault, step });
  const what = `${way}, ${step} ${fault}`;
  const states = expectedStates(fault, Math.sign(steps.indexOf(step) - steps.indexOf(pivot)));
  t.true(
    states.includes(ended.state),
    `${what} ended ${ended.state} (${ended.code ?? 'no error'}), not ${states.join(' or ')}; calls: ${ended.calls.join(' ')}`,
  );
  await check(t, way, what, it, before, ended);
}

/** Whether nothing that is done and undone shows that it was so twice. */
async function repeated(t: ExecutionContext, way: string, fault: (typeof REPEATED)[number]): Promise<void> {
  const { pivot = '' } = golden.get(way) ?? {};
  const it = await made(way);
  const before = await stores.snapshot(Object.values(it.ids));
  const isUndone = fault === 'all applied twice, and undone twice';
  const ended = await ground.run(it, isUndone ? { fault, step: pivot } : { fault });
  const what = `${way}, ${fault}`;
  t.is(ended.state, isUndone ? 'failed' : 'completed', `${what}: ${ended.code}, calls: ${ended.calls.join(' ')}`);
  t.is(ended.code, isUndone ? REFUSED : undefined, what);
  await check(t, way, what, it, before, ended);
}

/** Runs cases on a worker that goes when each of them is where it shall be; another worker then goes on with them. */
async function killed(t: ExecutionContext, way: string, dooms: Doom[], signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const lives = await Promise.all(
    dooms.map(async (doom) => {
      const it = await turns.take(() => made(way));
      return { doom, it, before: await stores.snapshot(Object.values(it.ids)), jobId: await ground.issue(it) };
    }),
  );
  const queue = await Ground.open();
  try {
    const there = await deaths.take(() => startAndKill(queue, lives, signal));
    await queue.work();
    await Promise.all(
      lives.map(async ({ it, before, jobId, doom: { when, call, refused } }) => {
        const what = `${way}${refused ? `, undone since ${refused} was refused` : ''}: ${signal} ${when} ${call}`;
        t.true(there.has(jobId), `${what}: it did not get there`);
        const ended = await queue.ended(jobId);
        t.is(ended.state, refused ? 'failed' : 'completed', `${what}: ${ended.code}, calls: ${ended.calls.join(' ')}`);
        t.is(ended.code, refused && REFUSED, what);
        await check(t, way, what, it, before, ended);
      }),
    );
  } finally {
    await queue.close();
  }
}

/** @returns the jobs that were where they should be when the worker got its signal */
async function startAndKill(
  queue: Ground,
  lives: { doom: Doom; it: Case; jobId: string }[],
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<Set<string>> {
  const dooms = Object.fromEntries(lives.map(({ jobId, doom }) => [jobId, doom]));
  const worker = fork(join(import.meta.dirname, 'doomed-worker.ts'), [queue.taskQueue, JSON.stringify(dooms)]);
  const dead = once(worker, 'exit');
  const there = new Set<string>();
  const allThere = new Promise<void>((resolve) => {
    worker.on('message', (jobId: string) => there.add(jobId).size === lives.length && resolve());
  });
  await Promise.all(lives.map(({ it, jobId }) => queue.start(it, jobId)));
  await Promise.race([allThere, dead, sleep(ALL_THERE_MS, undefined, { ref: false })]);
  worker.kill(signal);
  await dead;
  return there;
}

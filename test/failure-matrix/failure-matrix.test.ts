import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { CommandName } from '../../workflows/commands.ts';
import { FAULTS, type Fault } from './faults.ts';
import { type Ended, Ground } from './ground.ts';
import { type Case, type Sagas, sagas } from './sagas.ts';
import { type Snapshot, Stores, shape } from './snapshot.ts';

// For every saga, at every step, every fault: afterwards every store is exactly as before, or exactly done.

const AT_ONCE = 6;
const COMMANDS: CommandName[] = ['member.register', 'member.update', 'member.delete'];

let ground: Ground;
let stores: Stores;
let make: Sagas;
/** Of each saga: the steps it calls when nothing goes wrong, and what the stores look like then. */
const golden = new Map<CommandName, { steps: string[]; done: Snapshot }>();
const cases: string[] = [];
let leaks = 0;

test.before(async () => {
  ground = await Ground.open();
  stores = new Stores();
  make = sagas(ground.peers, (made) => ground.run(made));
  for (const command of COMMANDS) {
    const made = await make[command]();
    const { state, calls } = await ground.run(made);
    if (state !== 'completed') throw new Error(`${command} without faults ended ${state}`);
    golden.set(command, { steps: calls, done: shape(await stores.snapshot(Object.values(made.ids)), made.ids) });
  }
});

test.after.always(async () => {
  process.stderr.write(`failure matrix: ${cases.length} cases, ${leaks} leaks\n`);
  await ground?.close();
  await stores?.close();
});

/** Checks that the stores are as the job says: exactly done, or exactly as before. */
async function check(t: ExecutionContext, what: string, made: Case, before: Snapshot, ended: Ended): Promise<void> {
  const done = golden.get(made.command)?.done ?? [];
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

/** How a job must end by the fault and where it happens. Steps after the pivot get through whatever happens. */
function expectedState(fault: Fault, ended: Ended, pastPivot: boolean): string[] {
  if (fault === 'applied then timed out' || fault === 'applied twice') return ['completed'];
  if (pastPivot) return ['completed'];
  if (fault.startsWith('cancelled')) return ended.calls.length > 0 ? ['cancelled', 'completed'] : ['cancelled'];
  return ['failed'];
}

const PIVOTS: Record<CommandName, string> = {
  'member.register': 'auth.grantRoles',
  'member.update': 'auth.rebindLogin',
  'member.delete': 'member.deleteMember',
};

for (const command of COMMANDS) {
  for (const fault of FAULTS) {
    test(`${command}: ${fault}, at every step`, async (t) => {
      const steps = golden.get(command)?.steps ?? [];
      t.true(steps.length >= 5);
      const queue = [...steps];
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
            const made = await make[command]();
            const before = await stores.snapshot(Object.values(made.ids));
            const ended = await ground.run(made, { fault, step });
            const what = `${command}, ${step} ${fault}`;
            const atPivot = step === PIVOTS[command];
            const pastPivot = steps.indexOf(step) > steps.indexOf(PIVOTS[command]);
            const states = expectedState(fault, ended, pastPivot);
            t.true(
              states.includes(ended.state),
              `${what} ended ${ended.state}, not ${states.join(' or ')}; calls: ${ended.calls.join(' ')}`,
            );
            // Before its pivot a saga that is asked to stop does stop; at the pivot either is right.
            if (fault.startsWith('cancelled') && !pastPivot && !atPivot) t.is(ended.state, 'cancelled', what);
            await check(t, what, made, before, ended);
          }
        }),
      );
    });
  }
}

test('the worker is killed after every step of every saga, before it can tell', async (t) => {
  t.timeout(240_000);
  const doomed = await Ground.open({ worker: false });
  const folder = mkdtempSync(join(tmpdir(), 'musubi-doomed-'));
  const plans: { made: Case; step: string; before: Snapshot }[] = [];
  for (const command of COMMANDS) {
    const own = (golden.get(command)?.steps ?? []).filter((step) => !step.startsWith('job.') && !step.startsWith('query.'));
    for (const step of own) {
      const made = await make[command]();
      plans.push({ made, step, before: await stores.snapshot(Object.values(made.ids)) });
    }
  }
  let over = false;
  let deaths = 0;
  const worker = (async () => {
    while (!over) {
      const child = fork(
        join(import.meta.dirname, 'doomed-worker.ts'),
        [doomed.taskQueue, folder, ...plans.map(({ made, step }) => `${made.aggregateId}=${step}`)],
        { execPath: process.execPath },
      );
      const stop = setInterval(() => over && child.kill('SIGKILL'), 50);
      await once(child, 'exit');
      clearInterval(stop);
      if (!over) deaths++;
    }
  })();
  try {
    // One after the other in time, so that each dies of its own step; those that wait are interrupted by the deaths of others.
    const ended = await Promise.all(plans.map(({ made }) => doomed.run(made)));
    t.is(readdirSync(folder).length, plans.length, 'every planned death came');
    t.true(deaths >= 1);
    for (const [i, { made, step, before }] of plans.entries()) {
      const end = ended[i];
      if (!end) throw new Error(step);
      t.is(end.state, 'completed', `${made.command}, killed after ${step}: ${end.code}`);
      await check(t, `${made.command}, worker killed after ${step}`, made, before, end);
    }
  } finally {
    over = true;
    await worker;
    await doomed.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

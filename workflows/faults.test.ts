import type { WorkflowHandle } from '@temporalio/client';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { attributesOf, failureOf } from './observe.fixture.ts';
import { at, away, cancelling, defect, knowing, mistaken, type Scripted, ScriptedServices, taken } from './saga.fixture.ts';

// Every fault at every step, of one saga of the engine's own that has all that a saga can have (faults.fixture.ts). What
// holds of it holds of every saga: of the system's own only what is theirs is tried (saga.test.ts).

const test = anyTest as TestFn<{ sagas: HastySagas }>;
type Test = ExecutionContext<{ sagas: HastySagas }>;
test.before(async (t) => {
  t.context = { sagas: await HastySagas.open('faults.fixture.ts') };
});
test.after.always((t) => t.context.sagas?.close());

const memberId = 'm';
const DONE_FIRST = [
  'member.createMember',
  'auth.bindLogin/a',
  'auth.bindLogin/b',
  'auth.bindLogin/c',
  'member.part/role.assignRoles',
  'member.part/member.beginUpdate',
];
const LAST = ['member.activateMember', 'auth.endSessions', 'member.rest/auth.removeLogin'];
/** The operations of a run in order, by the pivot that it has. */
const RUNS = {
  'auth.grantRoles': [...DONE_FIRST, 'auth.grantRoles', ...LAST],
  'member.activateMember': [...DONE_FIRST, ...LAST],
};

/** The step of an operation: of a list or of a child the items are side by side, or it is undone by itself. */
const partOf = (operation: string): string => operation.replace(/^(auth\.bindLogin)\/.*/, '$1');
const stepOf = (operation: string): string => /[a-z]+\.[a-zA-Z]+(?=(\/[abc])?$)/.exec(operation)?.[0] ?? '';
const serviceOf = (operation: string): string => stepOf(operation).split('.')[0] ?? '';
const words = (operation: string): string =>
  (stepOf(operation).split('.')[1] ?? '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

for (const [pivot, operations] of Object.entries(RUNS)) {
  const pivotAt = operations.indexOf(pivot);
  // What comes before is the same in both.
  const from = pivot === 'auth.grantRoles' ? 0 : pivotAt;
  const run = (t: Test, services: ScriptedServices): Promise<WorkflowHandle> =>
    t.context.sagas.run('member.tried', { memberId, grants: pivot === 'auth.grantRoles' }, services);
  const faulty = (operation: string, answer: Scripted): ScriptedServices =>
    new ScriptedServices({ [stepOf(operation)]: at(operation, answer) });
  const named = (what: string): string => `pivot ${pivot}: ${what}`;
  /** What has begun by then: items of a list are begun two at a time. */
  const begunAt = (operation: string): string[] =>
    operations.slice(0, operations.indexOf(operation === 'auth.bindLogin/a' ? 'auth.bindLogin/b' : operation) + 1);
  /**
   * That all of this is undone, the last part first, and nothing that was done is left. What is done within a workflow task
   * that runs out, as on a busy machine, is done again by the next.
   */
  const isUndone = (t: Test, { undone, effects }: ScriptedServices, begun: string[]): void => {
    const ofBegun = [...new Set(undone)].filter((operation) => begun.includes(operation));
    t.deepEqual(ofBegun.toSorted(), begun.toSorted());
    t.deepEqual(ofBegun.map(partOf), begun.map(partOf).toReversed());
    t.deepEqual(effects, []);
  };
  const isCompleted = (t: Test, services: ScriptedServices): void => {
    t.deepEqual(services.effects, operations.toSorted());
    t.deepEqual(services.undone, []);
    t.is(services.states.at(-1), 'COMPLETED');
    t.like(services.end, { progress: { done: 10, total: 10, step: 'done' }, resultJson: JSON.stringify({ id: memberId }) });
  };

  test(named('all goes well'), async (t) => {
    const services = new ScriptedServices({});
    const handle = await run(t, services);
    isCompleted(t, services);
    const order = services.received.map(({ name }) => name).filter((name) => !/^(job|query)\./.test(name));
    t.deepEqual(order, operations.map(stepOf));
    t.like(await attributesOf(handle), { MusubiOutcome: 'done', MusubiFailure: undefined });
  });

  for (const operation of operations.slice(from, pivotAt + 1)) {
    const begun = begunAt(operation);
    const isPivot = operation === pivot;

    test(named(`refused at ${operation}`), async (t) => {
      const services = faulty(operation, () => taken);
      const handle = await run(t, services);
      isUndone(t, services, begun);
      t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } });
      t.like(services.end?.progress, { step: `refused at "${words(operation)}", all undone` });
      t.deepEqual(await handle.result(), {
        refused: { step: words(operation), code: 'LOGIN_TAKEN', message: 'The login is taken.' },
      });
      t.like(await attributesOf(handle), { MusubiOutcome: 'refused', MusubiFailure: 'LOGIN_TAKEN' });
    });

    const failures: Record<string, [error: MusubiError, code: string]> = {
      'away for good': [away, 'SERVICE_UNAVAILABLE'],
      'a defect': [defect, 'INTERNAL'],
      'a mistake of ours': [mistaken, 'INTERNAL'],
    };
    for (const [fault, [error, code]] of Object.entries(failures)) {
      test(named(`${fault} at ${operation}`), async (t) => {
        const services = faulty(operation, () => error);
        const handle = await run(t, services);
        isUndone(t, services, begun);
        t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code } });
        t.like(services.end?.progress, { step: `failed at "${words(operation)}", all undone` });
        t.notRegex(JSON.stringify(services.end), /ECONNREFUSED|LOCK_NOT_HELD/, 'what is wrong inside is not the client’s');
        t.like(await failureOf(handle), { cause: { type: code } });
        t.like(await attributesOf(handle), { MusubiOutcome: 'failed', MusubiFailure: code });
      });
    }

    test(named(`cancelled at ${operation}`), async (t) => {
      // A pivot that is tried is not called off.
      const tooLate: Scripted = async (attempt, _, workflow) => {
        if (attempt === 5) await workflow.cancel();
        return attempt < 8 ? away : undefined;
      };
      const services = faulty(operation, isPivot ? tooLate : cancelling);
      const handle = await run(t, services);
      if (isPivot) return isCompleted(t, services);
      isUndone(t, services, begun);
      t.is(services.end?.state, 'JOB_STATE_CANCELLED');
      t.is((await handle.describe()).status.name, 'CANCELLED');
      t.like(await attributesOf(handle), { MusubiOutcome: 'cancelled', MusubiFailure: undefined });
    });

    test(named(`its undo away: ${operation}`), async (t) => {
      const services = new ScriptedServices({
        [pivot]: [taken],
        [`${serviceOf(operation)}.undo`]: at(operation, (attempt) => (attempt <= 6 ? away : undefined)),
      });
      await run(t, services);
      const { undone } = services;
      t.is(undone.filter((one) => one === operation).length, 7);
      const next = begunAt(pivot).findLast(
        (one) => partOf(one) !== partOf(operation) && operations.indexOf(one) < operations.indexOf(operation),
      );
      if (next) t.true(undone.indexOf(next) > undone.lastIndexOf(operation), 'it holds up those before it');
      t.deepEqual(services.effects, []);
      t.is(services.states.at(-1), 'FAILED');
    });
  }

  for (const operation of operations.slice(pivotAt + 1)) {
    test(named(`refused, away and cancelled at ${operation}, which is past it`), async (t) => {
      const services = faulty(operation, async (attempt, _, workflow) => {
        if (attempt === 5) await workflow.cancel();
        return attempt <= 20 ? (attempt % 2 === 0 ? taken : away) : undefined;
      });
      await run(t, services);
      isCompleted(t, services);
      t.is(services.received.filter(({ name }) => name === stepOf(operation)).length, 21);
    });
  }

  for (let done = from; done <= operations.length; done++) {
    const known = operations.slice(0, done);
    for (const undoing of done < pivotAt ? [false] : [false, true]) {
      test(named(`lost ${undoing ? 'while it is undone ' : ''}after ${known.at(-1) ?? 'nothing'}`), async (t) => {
        const services = knowing(known);
        await t.context.sagas.run('saga.recover', { command: 'member.tried', aggregateId: memberId, undoing }, services);
        if (done > pivotAt && !undoing) {
          t.deepEqual(services.undone, []);
          t.is(services.states.at(-1), 'COMPLETED');
          // Of any pivot: all that comes after the first one is asked for again.
          t.deepEqual(services.effects, LAST.toSorted());
          return;
        }
        isUndone(t, services, known);
        t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: done === 0 && !undoing ? 'NOT_STARTED' : 'JOB_LOST' } });
      });
    }
  }
}

import { randomUUID } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { call, openTestMember, type TestMember } from './member.fixture.ts';

/** A deletion goes before all that comes after its first step, and waits only for who was there before. */

let member: TestMember;
let { service, rowOf } = {} as TestMember;
test.before(async () => {
  member = await openTestMember('deletion');
  ({ service, rowOf } = member);
});
test.after.always(() => member?.close());

const step = {
  create: (memberId: string, job: string) =>
    service.createMember(
      { operationId: `${job}/createMember`, memberId, loginId: 'alice', displayName: 'Alice', email: 'a@example.com' },
      call,
    ),
  activate: (memberId: string, job: string) => service.activateMember({ operationId: `${job}/activateMember`, memberId }, call),
  beginUpdate: (memberId: string, job: string) =>
    service.beginUpdate({ operationId: `${job}/beginUpdate`, memberId, changes: { displayName: job } }, call),
  commitUpdate: (memberId: string, job: string) => service.commitUpdate({ operationId: `${job}/commitUpdate`, memberId }, call),
  close: (memberId: string, job: string, expectedVersion?: number) =>
    service.closeMember({ operationId: `${job}/closeMember`, memberId, expectedVersion }, call),
  beginDelete: (memberId: string, job: string, expectedVersion?: number) =>
    service.beginDelete({ operationId: `${job}/beginDelete`, memberId, expectedVersion }, call),
  delete: (memberId: string, job: string) => service.deleteMember({ operationId: `${job}/deleteMember`, memberId }, call),
  undo: (job: string, name: string) => service.undo({ operationId: `${job}/${name}` }, call),
};

/** A member, and IDs of jobs that are about it. */
async function active() {
  const memberId = randomUUID();
  const [register, update, deletion, other] = ['register', 'update', 'delete', 'other'].map((name) => `${name}-${memberId}`);
  await step.create(memberId, register as string);
  await step.activate(memberId, register as string);
  return { memberId, update: update as string, deletion: deletion as string, other: other as string };
}

const DELETING = { code: 'MEMBER_DELETING', retryable: false };
const BUSY = { code: 'MEMBER_BUSY', retryable: true };

test('who comes after a deletion has begun is refused at once, and who was there before ends as it will', async (t) => {
  const { memberId, update, deletion, other } = await active();
  await step.beginUpdate(memberId, update);
  await step.close(memberId, deletion);
  t.like(await t.throwsAsync(step.beginUpdate(memberId, other)), DELETING);
  t.like(await t.throwsAsync(step.beginDelete(memberId, deletion)), BUSY);
  await step.commitUpdate(memberId, update);
  t.like(await rowOf(memberId), { display_name: update, status: 'ACTIVE' });
  t.like(await t.throwsAsync(step.beginUpdate(memberId, other)), DELETING);
  await step.beginDelete(memberId, deletion);
  t.like(await t.throwsAsync(step.beginUpdate(memberId, other)), DELETING);
  await step.delete(memberId, deletion);
  t.is(await rowOf(memberId), undefined);
});

test('a holder that is undone lets the deletion go on, and finds its lock until then', async (t) => {
  const { memberId, update, deletion } = await active();
  const before = await rowOf(memberId);
  await step.beginUpdate(memberId, update);
  await step.commitUpdate(memberId, update);
  await step.close(memberId, deletion);
  await step.undo(update, 'commitUpdate');
  t.like(await t.throwsAsync(step.beginDelete(memberId, deletion)), BUSY);
  await step.undo(update, 'beginUpdate');
  t.deepEqual(await rowOf(memberId), { ...before, version: 4, closed_by: deletion });
  await step.beginDelete(memberId, deletion);
  t.like(await rowOf(memberId), { lock: 'DELETING', lock_holder: deletion });
});

test('the undo of a commit waits for a deletion that took over, and undoes nothing of a member that is gone', async (t) => {
  const { memberId, update, deletion } = await active();
  await step.beginUpdate(memberId, update);
  await step.commitUpdate(memberId, update);
  await step.close(memberId, deletion);
  await step.beginDelete(memberId, deletion);
  t.like(await t.throwsAsync(step.undo(update, 'commitUpdate')), BUSY);
  await step.delete(memberId, deletion);
  await step.undo(update, 'commitUpdate');
  await step.undo(update, 'beginUpdate');
  t.is(await rowOf(memberId), undefined);
});

test('a deletion that is undone, at whatever step, leaves the member as it was, to whoever holds it', async (t) => {
  const { memberId, update, deletion, other } = await active();
  await step.beginUpdate(memberId, update);
  const held = await rowOf(memberId);
  await step.close(memberId, deletion);
  await step.undo(deletion, 'beginDelete');
  await step.undo(deletion, 'closeMember');
  t.deepEqual(await rowOf(memberId), held);
  await step.commitUpdate(memberId, update);

  const before = await rowOf(memberId);
  const again = `again-${memberId}`;
  await step.close(memberId, again);
  await step.beginDelete(memberId, again);
  await step.undo(again, 'beginDelete');
  t.deepEqual(await rowOf(memberId), { ...before, closed_by: again });
  t.like(await t.throwsAsync(step.beginUpdate(memberId, other)), DELETING, 'until all of it is undone');
  await step.undo(again, 'closeMember');
  t.deepEqual(await rowOf(memberId), before);
  await t.notThrowsAsync(step.beginUpdate(memberId, other));
});

test('of two deletions one goes on, and the other is refused; its undo opens nothing', async (t) => {
  const { memberId, deletion, other } = await active();
  const ends = await Promise.allSettled([step.close(memberId, deletion), step.close(memberId, other)]);
  t.is(ends.filter(({ status }) => status === 'fulfilled').length, 1);
  const [winner, loser] = ends[0]?.status === 'fulfilled' ? [deletion, other] : [other, deletion];
  for (const end of ends) if (end.status === 'rejected') t.like(end.reason, DELETING);
  await step.undo(loser, 'closeMember');
  t.like(await rowOf(memberId), { closed_by: winner });
  t.like(await t.throwsAsync(step.beginDelete(memberId, loser)), DELETING);
  await step.beginDelete(memberId, winner);
  await step.delete(memberId, winner);
  t.like(await t.throwsAsync(step.close(memberId, `third-${memberId}`)), { code: 'MEMBER_NOT_FOUND' });
});

test('only the version that the caller saw is deleted, also if who was there before has made another', async (t) => {
  const { memberId, update, deletion, other } = await active();
  t.like(await t.throwsAsync(step.close(memberId, other, 1)), { code: 'VERSION_MISMATCH' });
  await step.beginUpdate(memberId, update);
  await step.close(memberId, deletion, 2);
  await step.commitUpdate(memberId, update);
  t.like(await t.throwsAsync(step.beginDelete(memberId, deletion, 2)), { code: 'VERSION_MISMATCH' });
});

test('who is not registered yet is not deleted yet', async (t) => {
  const memberId = randomUUID();
  await step.create(memberId, `register-${memberId}`);
  t.like(await t.throwsAsync(step.close(memberId, `delete-${memberId}`)), BUSY);
});

test('a deletion that an earlier release began, which closes nothing, goes on as it was', async (t) => {
  const { memberId, deletion, other } = await active();
  await step.beginDelete(memberId, deletion);
  t.like(await t.throwsAsync(step.beginUpdate(memberId, other)), BUSY);
  await step.close(memberId, other);
  await step.delete(memberId, deletion);
  t.like(await t.throwsAsync(step.beginDelete(memberId, other)), { code: 'MEMBER_NOT_FOUND' });
  await step.undo(other, 'beginDelete');
  await step.undo(other, 'closeMember');
  await step.undo(deletion, 'deleteMember');
  t.like(await rowOf(memberId), { lock: 'DELETING', lock_holder: deletion });
});

/** What one job does to the member, each step after the one before: to its end, or back from wherever it was. */
const UPDATE = ['beginUpdate', 'commitUpdate'] as const;
const DELETE = ['close', 'beginDelete', 'delete'] as const;
const OPERATION = { close: 'closeMember', delete: 'deleteMember' } as Record<string, string>;

test('updates and deletions in any order, done or undone: every one ends, and what is left is what they say', async (t) => {
  const job = fc.record({
    steps: fc.constantFrom<readonly (keyof typeof step)[]>(UPDATE, DELETE),
    /** After how many steps it is undone; absent: never. */
    undoAfter: fc.option(fc.nat(2), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(job, { minLength: 2, maxLength: 4 }),
      fc.array(fc.nat(3), { maxLength: 40 }),
      async (jobs, turns) => {
        const { memberId } = await active();
        const before = await rowOf(memberId);
        const runs = jobs.map(({ steps, undoAfter }, i) => ({
          id: `job-${i}-${memberId}`,
          todo: steps.slice(0, undoAfter === undefined ? steps.length : undoAfter),
          undone: undoAfter !== undefined,
          done: [] as string[],
          committed: false,
          state: 'forward' as 'forward' | 'back' | 'ended' | 'gone',
        }));
        const turn = async (run: (typeof runs)[number]): Promise<void> => {
          if (run.state === 'ended' || run.state === 'gone') return;
          try {
            if (run.state === 'forward') {
              const [next] = run.todo;
              if (!next) {
                run.state = run.undone && run.done.at(-1) !== 'delete' ? 'back' : 'ended';
                return;
              }
              await (step[next] as (memberId: string, job: string) => Promise<unknown>)(memberId, run.id);
              run.todo.splice(0, 1);
              run.done.push(next);
              run.committed ||= next === 'commitUpdate';
            } else {
              const last = run.done.at(-1);
              if (!last) {
                run.state = 'gone';
                return;
              }
              await step.undo(run.id, OPERATION[last] ?? last);
              run.done.pop();
            }
          } catch (error) {
            const { code } = error as { code: string };
            // Others are at it: again, later. Refused: back.
            if (code === 'MEMBER_BUSY') return;
            t.true(['MEMBER_DELETING', 'MEMBER_NOT_FOUND'].includes(code), `${code} ${String(error)}`);
            t.is(run.state, 'forward', 'an undo is never refused');
            run.state = 'back';
          }
        };
        for (const index of turns) if (runs[index]) await turn(runs[index]);
        for (let round = 0; round < 30; round++) for (const run of runs) await turn(run);
        t.deepEqual(
          runs.filter(({ state }) => state === 'forward' || state === 'back').map(({ id }) => id),
          [],
          'nobody waits for ever',
        );
        const deleted = runs.some(({ done }) => done.includes('delete'));
        const row = await rowOf(memberId);
        if (deleted) t.is(row, undefined);
        else {
          t.like(row, { status: 'ACTIVE', lock: null, lock_holder: null, closed_by: null, pending_changes: null });
          // Also of one that was undone later, where another update built on it: a saga has no isolation.
          const names = runs.filter(({ committed }) => committed).map(({ id }) => id);
          t.true([before?.display_name, ...names].includes(String(row?.display_name)));
        }
      },
    ),
    { numRuns: 60 },
  );
});

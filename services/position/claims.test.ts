import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { sql } from '#platform/postgres/database.ts';
import { until } from '#platform/until.fixture.ts';
import { readBindings, releaseBindings } from './bindings.ts';
import { call, type Job, job, openTestPositions } from './position.fixture.ts';
import { beginChangeBindings } from './steps/begin-change-bindings.ts';

// Who is next at what a member is bound to: the end of its term, whoever goes on binding it.

const {
  db,
  service,
  begin,
  commit,
  claim,
  change,
  createGroup,
  createPosition,
  boundTo,
  closeMember,
  closeAndRelease,
  undo,
  close,
} = await openTestPositions('claims');
test.after.always(close);

const BUSY = { code: 'POSITION_BUSY' };
const END = new Date(Date.now() + 86_400_000).toISOString();

/** A member that is bound to a position until a moment, and another position of the group. */
async function bound() {
  const { groupId, leading } = await createGroup();
  const [positionId, other] = [(await createPosition(groupId)).positionId, (await createPosition(groupId)).positionId];
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId], until: END });
  return { groupId, leading, positionId, other, memberId };
}
type Bound = Awaited<ReturnType<typeof bound>>;

const end = ({ groupId, memberId, positionId }: Bound, { of }: Job) =>
  service.beginEndTerm({ operationId: of('end'), groupId, memberId, positionId, until: END }, call);
const claimsOf = ({ groupId }: Bound) => db.query(sql`select from binding_claims where group_id = ${groupId}`);
/** What an attempt comes to. */
const outcome = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'begun',
    (error: MusubiError) => error.code,
  );

test('those who go on binding a member do not hold up the end of its term', async (t) => {
  const one = await bound();
  const { groupId, memberId, other } = one;
  const tried: string[] = [];
  let isOver = false;
  /** One job after the other: each begins in the moment in which the last one ends, so it is never for anybody else to take. */
  const senders = async (): Promise<void> => {
    let last: string | undefined;
    for (; !isOver; await sleep(5)) {
      const { jobId, of } = job();
      const next = { operationId: of('begin'), groupId, memberId, bind: [other], release: [], releaseAll: false };
      const turn = db.transaction(async (tx) => {
        if (last !== undefined) await releaseBindings(tx, groupId, [memberId], last);
        await beginChangeBindings.do(tx, next);
      });
      const code = await outcome(turn);
      tried.push(code);
      if (code === 'begun') last = jobId;
      else if (last !== undefined) {
        await releaseBindings(db, groupId, [memberId], last);
        last = undefined;
      }
    }
    if (last !== undefined) await releaseBindings(db, groupId, [memberId], last);
  };
  const sending = senders();
  await until(() => tried.length >= 5);
  const ending = job();
  await claim(groupId, memberId, ending);
  const deadline = Date.now() + 5_000;
  let answer: object | undefined;
  while (!answer && Date.now() < deadline)
    answer = await end(one, ending).catch((error: MusubiError) => {
      if (error.code !== 'POSITION_BUSY') throw error;
      return undefined;
    });
  isOver = true;
  await sending;
  t.deepEqual(answer, { bindings: { memberId, positionIds: [] } });
  t.deepEqual([...new Set(tried)].sort(), ['POSITION_BUSY', 'begun']);
  await commit(ending);
  t.deepEqual(await boundTo(groupId, memberId), []);
  t.is(await outcome(begin(groupId, memberId, { bind: [other] })), 'begun');
});

test('who is at it when it is claimed goes on to its end; then it is for who has claimed it, and for no other', async (t) => {
  const one = await bound();
  const { groupId, memberId, other } = one;
  const [binding, ending] = [job(), job()];
  await begin(groupId, memberId, { bind: [other] }, binding);
  await claim(groupId, memberId, ending);
  await t.throwsAsync(end(one, ending), BUSY);
  await commit(binding);
  for (const late of [{ bind: [other] }, { release: [other] }, { releaseAll: true }])
    await t.throwsAsync(begin(groupId, memberId, late), BUSY);
  await t.throwsAsync(end(one, job()), BUSY, 'an end that has not claimed it');
  const leaderId = randomUUID();
  await change(groupId, leaderId, { bind: [one.leading] });
  t.is(await outcome(begin(groupId, leaderId, { releaseAll: true })), 'begun', 'of another member');
  const elsewhere = await createGroup();
  t.is(await outcome(begin(elsewhere.groupId, memberId, { bind: [elsewhere.leading] })), 'begun', 'in another group');
  t.deepEqual(await end(one, ending), { bindings: { memberId, positionIds: [other] } });
  t.deepEqual(await claimsOf(one), [], 'it has it now');
  await t.throwsAsync(begin(groupId, memberId, { bind: [other] }), BUSY);
  await commit(ending);
  t.is(await outcome(begin(groupId, memberId, { bind: [other] })), 'begun');
});

test('a successor that is claimed is waited for, and nothing is held meanwhile', async (t) => {
  const one = await bound();
  const { groupId, memberId, leading } = one;
  const leaderId = randomUUID();
  await change(groupId, leaderId, { bind: [leading] });
  const ending = job();
  await claim(groupId, memberId, ending);
  await t.throwsAsync(begin(groupId, leaderId, { releaseAll: true, successorId: memberId }), BUSY);
  t.is(await outcome(begin(groupId, leaderId, { release: [leading] })), 'begun');
});

test('several that have claimed it come one after the other, in any order, before all others', async (t) => {
  const one = await bound();
  const { groupId, memberId, other } = one;
  await change(groupId, memberId, { bind: [other], until: END });
  const [first, second] = [job(), job()];
  await claim(groupId, memberId, first);
  await claim(groupId, memberId, second);
  await end({ ...one, positionId: other }, second);
  await t.throwsAsync(end(one, first), BUSY);
  await commit(second);
  await t.throwsAsync(begin(groupId, memberId, { bind: [other] }), BUSY);
  t.deepEqual(await end(one, first), { bindings: { memberId, positionIds: [] } });
  await commit(first);
  t.deepEqual(await boundTo(groupId, memberId), []);
});

test('the undo of a claim lets others begin; one that comes after its undo, or twice, claims nothing', async (t) => {
  const one = await bound();
  const { groupId, memberId, other } = one;
  const [ending, late] = [job(), job()];
  await claim(groupId, memberId, ending);
  await undo(ending.of('claim'));
  await undo(ending.of('claim'));
  t.is(await outcome(begin(groupId, memberId, { bind: [other] }, late)), 'begun');
  await commit(late);
  await t.throwsAsync(claim(groupId, memberId, ending), { code: 'OPERATION_UNDONE' });
  const early = job();
  await undo(early.of('claim'));
  await t.throwsAsync(claim(groupId, memberId, early), { code: 'OPERATION_UNDONE' });
  t.deepEqual(await claimsOf(one), []);

  const again = job();
  await claim(groupId, memberId, again);
  await end(one, again);
  await claim(groupId, memberId, again);
  t.deepEqual(await claimsOf(one), [], 'twice is once');
  await undo(again.of('end'));
  await undo(again.of('claim'));
  t.is(await outcome(begin(groupId, memberId, { bind: [other] })), 'begun');
  const never = { groupId: randomUUID(), memberId: randomUUID() };
  const vain = job();
  await claim(never.groupId, never.memberId, vain);
  await undo(vain.of('claim'));
  t.deepEqual(await db.query(sql`select from binding_versions where group_id = ${never.groupId}`), []);
});

test('where nothing is to be ended nothing stays claimed', async (t) => {
  const nothing = async (one: Bound, what: string, ending = job()) => {
    await claim(one.groupId, one.memberId, ending);
    t.deepEqual(await end(one, ending), {} as never, what);
    t.deepEqual(await claimsOf(one), [], what);
  };
  const prolonged = await bound();
  await change(prolonged.groupId, prolonged.memberId, { bind: [prolonged.positionId] });
  await nothing(prolonged, 'without end');
  t.is(await outcome(begin(prolonged.groupId, prolonged.memberId, { releaseAll: true })), 'begun');
  const deleted = await bound();
  await closeMember(deleted.memberId);
  await nothing(deleted, 'the member is being deleted');
  await nothing({ ...(await bound()), groupId: randomUUID() }, 'never there');
});

test('a claim holds up neither the deletion of the member nor that of the group, and is none of what it is bound to', async (t) => {
  const one = await bound();
  const { groupId, memberId, positionId } = one;
  const ending = job();
  await claim(groupId, memberId, ending);
  const [read] = await readBindings(db, { ids: [`${groupId}.${memberId}`] });
  t.like(read, { version: 1, changing: false });
  const { memberIds } = await service.listHolders({ operationId: job().of('list'), positionId }, call);
  t.deepEqual(memberIds, [memberId]);
  await closeAndRelease(memberId);
  t.deepEqual(await end(one, ending), {} as never);
  const other = await bound();
  const late = job();
  await claim(other.groupId, other.memberId, late);
  await service.removeAllPositions({ operationId: job().of('remove'), groupIds: [other.groupId] }, call);
  t.deepEqual(await boundTo(other.groupId, other.memberId), []);
  t.deepEqual(await end(other, late), {} as never);
  t.deepEqual([await claimsOf(one), await claimsOf(other)], [[], []]);
});

test('what is claimed is asked by IDs', async (t) => {
  await t.throwsAsync(claim('', randomUUID()), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(claim(randomUUID(), 'nobody'), { code: 'INVALID_ARGUMENT' });
});

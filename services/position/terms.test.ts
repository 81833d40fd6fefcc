import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { readBindings } from './bindings.ts';
import { call, job, openTestPositions } from './position.fixture.ts';

// How long members are bound to positions, and what the end of that comes to.

const { db, service, begin, commit, createGroup, createPosition, change, boundTo, eventsOf, closeMember, undo, close } =
  await openTestPositions('terms');
test.after.always(close);

const later = (ms: number): string => new Date(Date.now() + ms).toISOString();
const DAY = 86_400_000;

/** A member that is bound to a position until a moment. */
async function bound(until = later(DAY)) {
  const { groupId, leading, leaderId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId], until });
  return { groupId, leading, leaderId, positionId, memberId, until };
}
type Binding = Record<'groupId' | 'positionId' | 'memberId' | 'until', string>;

const end = ({ groupId, positionId, memberId, until }: Binding, { of } = job()) =>
  service.beginEndTerm({ operationId: of('end'), groupId, positionId, memberId, until }, call);

test('a step tells which terms are others by it: given, changed, taken away, of a successor too', async (t) => {
  const { groupId, positionId, memberId, until, leading, leaderId } = await bound();
  const other = (await createPosition(groupId)).positionId;
  const of = (id: string, ends?: string, whose: string = memberId) => {
    return { groupId, memberId: whose, positionId: id, ...(ends === undefined ? {} : { until: ends }) };
  };
  const next = later(2 * DAY);
  const termsOf = async (asked: Parameters<typeof begin>[2], whose: string = memberId) => {
    const one = job();
    const { terms } = await begin(groupId, whose, asked, one);
    await undo(one.of('begin'));
    return terms as object[];
  };
  t.deepEqual(await termsOf({ bind: [positionId], until: next }), [of(positionId, next)]);
  t.deepEqual(await termsOf({ bind: [positionId], until }), [], 'the same');
  t.deepEqual(await termsOf({ bind: [positionId] }), [of(positionId)]);
  t.deepEqual(await termsOf({ bind: [other], until: next }), [of(other, next)], 'the other one keeps its own');
  t.deepEqual(await termsOf({ bind: [other] }), []);
  t.deepEqual(await termsOf({ release: [positionId] }), [of(positionId)]);
  t.deepEqual(await termsOf({ releaseAll: true }), [of(positionId)]);
  // A successor leads from then on.
  t.deepEqual(await termsOf({ releaseAll: true, successorId: memberId }, leaderId), []);
  t.deepEqual(await termsOf({ bind: [leading], until: next }, leaderId), [of(leading, next, leaderId)]);
});

test('whose term has ended is let go, once that is committed, and from nothing else that it is bound to', async (t) => {
  const one = await bound();
  const other = (await createPosition(one.groupId)).positionId;
  await change(one.groupId, one.memberId, { bind: [other], until: later(2 * DAY) });
  const ending = job();
  t.deepEqual(await end(one, ending), { bindings: { memberId: one.memberId, positionIds: [other] } });
  t.is((await boundTo(one.groupId, one.memberId)).length, 2, 'until it is committed');
  t.like(await t.throwsAsync(begin(one.groupId, one.memberId, { bind: [other] })), { code: 'POSITION_BUSY' });
  await undo(ending.of('end'));
  t.is((await boundTo(one.groupId, one.memberId)).length, 2);
  const again = job();
  await end(one, again);
  await commit(again);
  t.deepEqual(await boundTo(one.groupId, one.memberId), [other]);
  t.deepEqual((await eventsOf(`${one.groupId}.${one.memberId}`)).at(-1), 'bindings.changed 3');
});

test('the last one who leads goes, too: nobody is asked', async (t) => {
  const { groupId, leading, leaderId } = await createGroup();
  const until = later(DAY);
  await change(groupId, leaderId, { bind: [leading], until });
  const one = job();
  const bindings = { memberId: leaderId, positionIds: [] };
  t.deepEqual(await end({ groupId, positionId: leading, memberId: leaderId, until }, one), { bindings });
  await commit(one);
  t.deepEqual(await boundTo(groupId, leaderId), []);
});

test('where that term does not hold any more nothing is begun, and nothing is held', async (t) => {
  const nothing = async (one: Binding, what: string) => {
    const ending = job();
    t.deepEqual(await end(one, ending), {} as never, what);
    await undo(ending.of('end'));
    t.is((await db.query(sql`select from binding_versions where lock_holder = ${ending.jobId}`)).length, 0, what);
  };
  const one = await bound();
  const { groupId, memberId, positionId } = one;
  await change(groupId, memberId, { bind: [positionId], until: later(2 * DAY) });
  await nothing(one, 'prolonged');
  await change(groupId, memberId, { bind: [positionId] });
  await nothing(one, 'without end');
  await change(groupId, memberId, { release: [positionId] });
  await nothing(one, 'let go');
  const gone = await bound();
  await service.removeAllPositions({ operationId: job().of('remove'), groupIds: [gone.groupId] }, call);
  await nothing(gone, 'the group is gone');
  const deleted = await bound();
  await closeMember(deleted.memberId);
  await nothing(deleted, 'the member is being deleted');
  await nothing({ ...one, memberId: randomUUID() }, 'never there');
  t.is((await db.query(sql`select from binding_versions where group_id = ${groupId} and version = 0`)).length, 0);
});

test('it waits for a job that changes what the member is bound to: that may be its term', async (t) => {
  const one = await bound();
  const prolonging = job();
  await begin(one.groupId, one.memberId, { bind: [one.positionId], until: later(2 * DAY) }, prolonging);
  t.like(await t.throwsAsync(end(one)), { code: 'POSITION_BUSY' });
  await commit(prolonging);
  t.deepEqual(await end(one), {} as never);
});

test('terms that have ended or end soon are listed, page by page, and no others', async (t) => {
  const { groupId } = await createGroup();
  const all: string[] = [];
  for (let count = 0; count < 5; count++) {
    const { positionId } = await createPosition(groupId);
    const memberId = randomUUID();
    await change(groupId, memberId, { bind: [positionId], until: later(60_000) });
    all.push(`${memberId} ${positionId}`);
  }
  const ended = await bound();
  await db.query(sql`update bindings set until = now() - interval '1 day' where member_id = ${ended.memberId}`);
  const [not, never] = [await bound(later(DAY)), await bound()];
  await change(never.groupId, never.memberId, { bind: [never.positionId] });
  const found = new Map<string, string | undefined>();
  for (let after: Parameters<typeof service.listDueTerms>[0]['after']; ; ) {
    const { terms } = await service.listDueTerms({ withinMs: 600_000, after, pageSize: 2 }, call);
    if (terms.length === 0) break;
    t.true(terms.length <= 2);
    for (const { memberId, positionId, until } of terms) found.set(`${memberId} ${positionId}`, until);
    after = terms.at(-1);
  }
  for (const one of [...all, `${ended.memberId} ${ended.positionId}`]) t.true(found.has(one));
  t.false([...found.keys()].some((one) => one.startsWith(not.memberId) || one.startsWith(never.memberId)));
  const [kept] = await readBindings(db, { ids: [`${ended.groupId}.${ended.memberId}`] });
  t.is(found.get(`${ended.memberId} ${ended.positionId}`), kept?.bindings[0]?.until?.toISOString(), 'by that it is ended');
  for (const pageSize of [0, 101])
    t.like(await t.throwsAsync(async () => service.listDueTerms({ withinMs: 0, after: undefined, pageSize }, call)), {
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'pageSize' }],
    });
});

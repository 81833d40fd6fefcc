import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { memberErasure } from './erasure.ts';
import { call, openTestMember, type TestMember } from './member.fixture.ts';

let member: TestMember;
let { service, db } = {} as TestMember;
let erasure: ReturnType<typeof memberErasure>;
test.before(async () => {
  member = await openTestMember('erasure');
  ({ service, db } = member);
  erasure = memberErasure(db);
});
test.after.always(() => member?.close());

const step = (memberId: string, job: string) => ({ operationId: `${job}/${randomUUID()}`, memberId });

/** A member that was renamed, and then deleted. */
async function deleted() {
  const memberId = randomUUID();
  const [made, changed, gone] = [randomUUID(), randomUUID(), randomUUID()];
  await service.createMember({ ...step(memberId, made), loginId: 'zwq', displayName: 'Zwq One', email: 'zwq@example.com' }, call);
  await service.activateMember(step(memberId, made), call);
  await service.beginUpdate({ ...step(memberId, changed), changes: { displayName: 'Zwq Two' } }, call);
  await service.commitUpdate(step(memberId, changed), call);
  const row = await member.rowOf(memberId);
  await service.beginDelete(step(memberId, gone), call);
  const deletion = step(memberId, gone);
  await service.deleteMember(deletion, call);
  return { memberId, row, deletion };
}

const told = (memberId: string) =>
  db.query<{ type: string; version: number; payload: unknown }>(
    sql`select type, version, payload from outbox where aggregateid = ${memberId} order by version`,
  );
/** The relay has sent all. */
const sent = (memberId: string) => db.query(sql`delete from outbox where aggregateid = ${memberId}`);
const place = (memberId: string, place: string, count = 1) => ({ memberId, place, count });
const later = (memberId: string, hours: number) =>
  db.query(
    sql`update deleted_members set tombstone_at = tombstone_at - make_interval(hours => ${hours}) where member_id = ${memberId}`,
  );
const traces = async (memberId: string): Promise<string[]> => {
  const tables = [
    sql`select to_jsonb(o)::text as text from operations o where undo::text like ${`%${memberId}%`}`,
    sql`select to_jsonb(o)::text as text from outbox o where aggregateid = ${memberId}`,
    sql`select to_jsonb(m)::text as text from members m where member_id = ${memberId}`,
  ];
  const rows = await Promise.all(tables.map((query) => db.query<{ text: string }>(query)));
  return rows.flat().flatMap(({ text }) => (/zwq/i.test(text) ? [text] : []));
};

test('what undos need goes with what could not be sent, and Kafka is told twice, hours apart, to forget the member', async (t) => {
  const { memberId } = await deleted();
  t.true((await traces(memberId)).length >= 4);
  t.deepEqual(await erasure.erase([memberId]), {
    erased: [place(memberId, 'operations', 2), place(memberId, 'outbox', 3), place(memberId, 'events')],
    pending: [memberId],
  });
  t.deepEqual(await traces(memberId), []);
  const [deletion, tombstone, ...others] = await told(memberId);
  t.like(deletion, { type: 'member.deleted' });
  t.like(tombstone, { type: 'member.erased', payload: null, version: (deletion?.version ?? 0) + 1 });
  t.deepEqual(others, []);

  await sent(memberId);
  await later(memberId, 6);
  t.deepEqual(await erasure.erase([memberId]), { erased: [], pending: [memberId] }, 'brokers might not close a segment yet');
  await later(memberId, 1);
  t.deepEqual(await erasure.erase([memberId]), { erased: [place(memberId, 'events')], pending: [] });
  t.like(await told(memberId), [{ type: 'member.erased', payload: null }]);
  await later(memberId, 100);
  t.deepEqual(await erasure.erase([memberId]), { erased: [], pending: [] });
});

test('a member that a restored copy has again goes again, and Kafka is told as at first', async (t) => {
  const { memberId, row } = await deleted();
  await erasure.erase([memberId]);
  await later(memberId, 7);
  await erasure.erase([memberId]);
  await sent(memberId);
  await db.query(sql`insert into members select * from jsonb_populate_record(null::members, ${JSON.stringify(row)}::jsonb)`);
  await db.query(sql`update members set version = 90 where member_id = ${memberId}`);
  t.deepEqual(await erasure.erase([memberId]), {
    erased: [place(memberId, 'members'), place(memberId, 'events')],
    pending: [memberId],
  });
  t.is(await member.rowOf(memberId), undefined);
  t.like(await told(memberId), [
    { type: 'member.deleted', version: 91 },
    { type: 'member.erased', version: 92, payload: null },
  ]);
});

test('of a deletion that is undone nothing is noted', async (t) => {
  const { memberId, deletion } = await deleted();
  await service.undo(deletion, call);
  t.deepEqual(await db.query(sql`select from deleted_members where member_id = ${memberId}`), []);
});

test('one that nobody here has ever heard of is noted, so that a copy of it would go', async (t) => {
  const memberId = randomUUID();
  t.deepEqual(await erasure.erase([memberId]), { erased: [place(memberId, 'events')], pending: [memberId] });
  t.like(await db.query(sql`select tombstones from deleted_members where member_id = ${memberId}`), [{ tombstones: 1 }]);
});

test('two runs at once do it once', async (t) => {
  const all = await Promise.all(Array.from({ length: 5 }, deleted));
  const ids = all.map(({ memberId }) => memberId);
  const runs = await Promise.all([erasure.erase(ids), erasure.erase(ids.toReversed()), erasure.erase(ids)]);
  const operations = runs.flatMap(({ erased }) => erased.filter(({ place }) => place === 'operations'));
  t.is(operations.length, 5);
  for (const id of ids) t.is((await told(id)).filter(({ type }) => type === 'member.erased').length, 1);
});

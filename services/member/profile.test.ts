import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import type { MemberChanges } from '#proto/musubi/member/v1/member.ts';
import { call, openTestMember, type TestMember } from './member.fixture.ts';

let member: TestMember;
let { db, service, rowOf } = {} as TestMember;
test.before(async () => {
  member = await openTestMember('profile');
  ({ db, service, rowOf } = member);
});
test.after.always(() => member?.close());

const profile = { loginId: 'alice', displayName: 'Alice', email: 'alice@example.com' };
const schemaOf = (properties: object, required: string[] = []) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

async function setSchema(schema: object, schemaId = 'member'): Promise<string> {
  const jobId = randomUUID();
  await service.beginSetSchema({ operationId: `${jobId}/begin`, schemaId, schema }, call);
  await service.commitSchema({ operationId: `${jobId}/commit`, schemaId }, call);
  return jobId;
}

async function register(more: object = {}): Promise<string> {
  const [jobId, memberId] = [randomUUID(), randomUUID()];
  await service.createMember({ operationId: `${jobId}/create`, memberId, ...profile, ...more }, call);
  await service.activateMember({ operationId: `${jobId}/activate`, memberId }, call);
  return memberId;
}

async function update(memberId: string, changes: MemberChanges): Promise<string> {
  const jobId = randomUUID();
  await service.beginUpdate({ operationId: `${jobId}/begin`, memberId, changes }, call);
  await service.commitUpdate({ operationId: `${jobId}/commit`, memberId }, call);
  return jobId;
}

const schemaRow = async (id = 'member') =>
  (await db.query<Record<string, unknown>>(sql`select * from member_schemas where id = ${id}`))[0];

test.serial('before a schema is set there are no attributes', async (t) => {
  t.like(await t.throwsAsync(register({ attributes: { team: 'a' } })), {
    code: 'INVALID_MEMBER',
    fields: [{ field: 'attributes.team', code: 'UNKNOWN' }],
  });
  t.like(await rowOf(await register()), { locale: null, time_zone: null, attributes: {} });
});

test.serial('a profile is kept in canonical form, changed by a merge patch and changed back by an undo', async (t) => {
  await setSchema(schemaOf({ team: { type: 'string' }, seat: { type: 'object' } }));
  const memberId = await register({
    locale: 'ja-jp',
    timeZone: 'asia/tokyo',
    attributes: { team: 'か\u3099', seat: { row: 1 } },
  });
  t.like(await rowOf(memberId), { locale: 'ja-JP', time_zone: 'Asia/Tokyo', attributes: { team: 'が', seat: { row: 1 } } });
  const jobId = await update(memberId, { locale: '', timeZone: 'Europe/Kiev', attributes: { team: null, seat: { col: 2 } } });
  t.like(await rowOf(memberId), { locale: null, time_zone: 'Europe/Kyiv', attributes: { seat: { row: 1, col: 2 } } });
  await update(memberId, { timeZone: '' });
  t.like(await rowOf(memberId), { time_zone: null });
  await update(memberId, { timeZone: 'Europe/Kyiv' });
  await service.undo({ operationId: `${jobId}/commit` }, call);
  await service.undo({ operationId: `${jobId}/begin` }, call);
  t.like(await rowOf(memberId), { locale: 'ja-JP', time_zone: 'Asia/Tokyo', attributes: { team: 'が', seat: { row: 1 } } });
  await update(memberId, { attributes: null });
  t.like(await rowOf(memberId), { attributes: {}, locale: 'ja-JP' });
  const [event] = await db.query<{ payload: { member: object } }>(
    sql`select payload from outbox where aggregateid = ${memberId} order by version desc limit 1`,
  );
  t.like(event?.payload.member, { locale: 'ja-JP', timeZone: 'Asia/Tokyo', attributes: {} });
  for (const [changes, field] of [
    [{ locale: 'ja_JP' }, 'locale'],
    [{ timeZone: '+09:00' }, 'timeZone'],
    [{ attributes: { team: 7 } }, 'attributes.team'],
    [{ attributes: { team: '\u202ex' } }, 'attributes.team'],
  ] as const)
    t.like(await t.throwsAsync(update(memberId, changes)), { code: 'INVALID_MEMBER', fields: [{ field }] });
});

test.serial('an undo gives no attributes back that another job has changed since', async (t) => {
  await setSchema(schemaOf({ team: { type: 'string' } }));
  const memberId = await register({ attributes: { team: 'a' } });
  const mine = await update(memberId, { locale: 'ja', attributes: { team: 'b' } });
  await update(memberId, { attributes: { team: 'c' } });
  await service.undo({ operationId: `${mine}/commit` }, call);
  t.like(await rowOf(memberId), { locale: null, attributes: { team: 'c' } });
  await service.undo({ operationId: `${mine}/begin` }, call);
});

test.serial('what is merged has the bounds of what is given', async (t) => {
  await setSchema({ type: 'object' });
  const memberId = await register();
  const part = (name: string) => Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`${name}${i}`, i]));
  await update(memberId, { attributes: part('a') });
  t.like(await t.throwsAsync(update(memberId, { attributes: part('b') })), {
    code: 'INVALID_MEMBER',
    fields: [{ field: 'attributes', code: 'TOO_LONG' }],
  });
});

test.serial('a member that the schema has left behind stays as it is, and is mended with its next change', async (t) => {
  await setSchema(schemaOf({ team: { type: 'string' } }));
  const memberId = await register({ attributes: { team: 'a' } });
  await setSchema(schemaOf({ room: { type: 'integer' } }, ['room']));
  t.like(await rowOf(memberId), { attributes: { team: 'a' } });
  t.like(await t.throwsAsync(update(memberId, { displayName: 'Bob' })), {
    code: 'INVALID_MEMBER',
    fields: [{ field: 'attributes.room' }, { field: 'attributes.team' }],
  });
  await update(memberId, { displayName: 'Bob', attributes: { team: null, room: 7 } });
  t.like(await rowOf(memberId), { display_name: 'Bob', attributes: { room: 7 } });
  await setSchema({ type: 'object' });
});

test.serial('a login in the form of an e-mail address is the own one', async (t) => {
  const refused = { code: 'INVALID_MEMBER', fields: [{ field: 'loginId', code: 'INVALID' }] };
  t.like(await t.throwsAsync(register({ loginId: 'boss@example.com' })), refused);
  const memberId = await register({ loginId: 'Alice@Example.com' });
  t.like(await t.throwsAsync(update(memberId, { email: 'new@example.com' })), refused);
  t.like(await t.throwsAsync(update(memberId, { loginId: 'boss@example.com' })), refused);
  await update(memberId, { email: 'new@example.com', loginId: 'new@example.com' });
  await update(memberId, { loginId: 'alice' });
  t.like(await rowOf(memberId), { login_id: 'alice', email: 'new@example.com' });
  await db.query(sql`update members set login_id = 'old@rules' where member_id = ${memberId}`);
  await t.notThrowsAsync(update(memberId, { displayName: 'Bob' }), 'what was there before the rule stays');
});

test.serial('the schema is set by one job after the other, and told', async (t) => {
  const id = randomUUID();
  const [first, second] = [schemaOf({ a: { type: 'string' } }), schemaOf({ b: { type: 'string' } })];
  await setSchema(first, id);
  const before = await schemaRow(id);
  t.like(before, { schema: first, version: 2, lock_holder: null });
  const other = randomUUID();
  const begin = (jobId: string, expectedVersion?: number) =>
    service.beginSetSchema({ operationId: `${jobId}/begin`, schemaId: id, schema: second, expectedVersion }, call);
  t.like(await t.throwsAsync(begin(randomUUID(), 1)), { code: 'VERSION_MISMATCH' });
  await begin(other, 2);
  t.like(await t.throwsAsync(begin(randomUUID())), { code: 'MEMBER_SCHEMA_BUSY', retryable: true });
  t.like(await t.throwsAsync(service.commitSchema({ operationId: `${randomUUID()}/commit`, schemaId: id }, call)), {
    code: 'LOCK_NOT_HELD',
  });
  t.deepEqual((await schemaRow(id))?.schema, first, 'what is kept aside is not in force');
  await service.undo({ operationId: `${other}/begin` }, call);
  t.deepEqual(await schemaRow(id), before);

  const done = await setSchema(second, id);
  t.deepEqual((await schemaRow(id))?.schema, second);
  await t.throwsAsync(service.undo({ operationId: `${done}/commit` }, call), { code: 'UNDO_IMPOSSIBLE' });
  const [holding, last] = [randomUUID(), await schemaRow(id)];
  await begin(holding);
  await service.undo({ operationId: `${done}/begin` }, call);
  t.like(await schemaRow(id), { lock_holder: holding }, 'another job has it since');
  await service.undo({ operationId: `${holding}/begin` }, call);
  t.deepEqual(await schemaRow(id), last);
  const events = await db.query<{ version: number; type: string; payload: { schema: object } }>(
    sql`select version, type, payload from outbox where aggregateid = ${id} order by version`,
  );
  t.deepEqual(
    events.map(({ version, payload: { schema } }) => [version, schema]),
    [
      [2, first],
      [3, second],
    ],
  );
});

import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Database } from '#platform/postgres/database.ts';
import { sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { roleHandlers } from './grpc.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('role_steps');
let db: Database;
let service: ReturnType<typeof roleHandlers>;
test.before(async () => {
  db = await openStore(scratch);
  service = roleHandlers(db);
  await service.ensureBuiltInRoles({}, call);
  await db.query(sql`insert into roles (role_id, name, description, built_in, version, created_at, updated_at)
    values ('editor', 'Editor', '', false, 1, now(), now())`);
});
test.after.always(() => scratch.drop());

const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 60_000) };
const assign = (memberId: string, operationId: string, roleIds = ['member', 'editor']) =>
  service.assignRoles({ operationId, memberId, roleIds }, call);
const unassign = (memberId: string, operationId: string) => service.unassignAllRoles({ operationId, memberId }, call);
const undo = (operationId: string) => service.undo({ operationId }, call);

const rolesOf = async (memberId: string): Promise<string[]> =>
  (await db.query<{ role_id: string }>(sql`select role_id from member_roles where member_id = ${memberId} order by 1`)).map(
    (row) => row.role_id,
  );
const eventsOf = (memberId: string): Promise<{ type: string; version: number; payload: unknown }[]> =>
  db.query(sql`select type, version, payload from outbox where aggregateid = ${memberId} order by version`);
/** The roles of each event, in the order of versions; fails unless these are 1, 2, 3, … */
const told = async (memberId: string): Promise<[string, string[]][]> =>
  (await eventsOf(memberId)).map(({ type, version, payload }, index) => {
    const event = payload as { memberId: string; version: number; roleIds?: string[] };
    if (version !== index + 1 || event.version !== version || event.memberId !== memberId) throw new Error(JSON.stringify(event));
    return [type, event.roleIds ?? []];
  });
const written = (memberId: string, version: number) => ({ written: { type: 'member-roles', id: memberId, version } });

test('roles are given besides those that are there; repeats answer the same', async (t) => {
  const memberId = randomUUID();
  t.deepEqual(await assign(memberId, `${memberId}/1`, ['member', 'member']), written(memberId, 1));
  const answers = await Promise.all([1, 2, 3].map(() => assign(memberId, `${memberId}/2`)));
  for (const answer of answers) t.deepEqual(answer, written(memberId, 2));
  t.deepEqual(await rolesOf(memberId), ['editor', 'member']);
  t.deepEqual(await told(memberId), [
    ['member-roles.assigned', ['member']],
    ['member-roles.assigned', ['editor', 'member']],
  ]);
});

test('the undo takes away what was given, and no more', async (t) => {
  const memberId = randomUUID();
  await assign(memberId, `${memberId}/1`, ['member']);
  await assign(memberId, `${memberId}/2`);
  await Promise.all([undo(`${memberId}/2`), undo(`${memberId}/2`)]);
  t.deepEqual(await rolesOf(memberId), ['member']);
  await t.throwsAsync(assign(memberId, `${memberId}/2`), { code: 'OPERATION_UNDONE' });
  await undo(`${memberId}/1`);
  t.deepEqual(await rolesOf(memberId), []);
  t.deepEqual((await told(memberId)).slice(2), [
    ['member-roles.unassigned', ['member']],
    ['member-roles.unassigned', []],
  ]);
});

test('all roles are taken, and given back by the undo', async (t) => {
  const memberId = randomUUID();
  await assign(memberId, `${memberId}/1`);
  for (let repeat = 0; repeat < 2; repeat++) t.deepEqual(await unassign(memberId, `${memberId}/2`), written(memberId, 2));
  t.deepEqual(await rolesOf(memberId), []);
  await undo(`${memberId}/2`);
  await undo(`${memberId}/2`);
  t.deepEqual(await rolesOf(memberId), ['editor', 'member']);
  await t.throwsAsync(unassign(memberId, `${memberId}/2`), { code: 'OPERATION_UNDONE' });
  t.deepEqual((await told(memberId)).slice(1), [
    ['member-roles.unassigned', []],
    ['member-roles.assigned', ['editor', 'member']],
  ]);
});

test('who holds nothing can have all of it taken', async (t) => {
  const memberId = randomUUID();
  t.deepEqual(await unassign(memberId, `${memberId}/1`), written(memberId, 1));
  await undo(`${memberId}/1`);
  t.deepEqual(await rolesOf(memberId), []);
});

test('undone before they come, steps are refused and nothing happens', async (t) => {
  const memberId = randomUUID();
  await undo(`${memberId}/1`);
  await undo(`${memberId}/2`);
  await t.throwsAsync(assign(memberId, `${memberId}/1`), { code: 'OPERATION_UNDONE' });
  await t.throwsAsync(unassign(memberId, `${memberId}/2`), { code: 'OPERATION_UNDONE' });
  t.deepEqual(await told(memberId), []);
});

test('changes of one member at the same time come one after the other', async (t) => {
  const memberId = randomUUID();
  await Promise.all(
    Array.from({ length: 12 }, (_, index) => assign(memberId, `${memberId}/${index}`, [index % 2 ? 'member' : 'editor'])),
  );
  const events = await told(memberId);
  t.is(events.length, 12);
  t.deepEqual(events.at(-1)?.[1], await rolesOf(memberId));
});

test('what makes no sense is refused by field', async (t) => {
  const memberId = randomUUID();
  t.like(await t.throwsAsync(assign(memberId, 'x/1', ['member', 'nobody', 'nothing'])), {
    code: 'ROLE_NOT_FOUND',
    fields: [{ field: 'roleIds', code: 'NOT_FOUND', message: 'has roles that do not exist: nobody, nothing' }],
  });
  t.like(await t.throwsAsync(assign(memberId, 'x/1', [])), { code: 'INVALID_ARGUMENT', fields: [{ field: 'roleIds' }] });
  const same = Array.from({ length: 10_000 }, () => 'member');
  t.like(await t.throwsAsync(assign(memberId, 'x/1', same)), { code: 'INVALID_ARGUMENT', fields: [{ field: 'roleIds' }] });
  t.like(await t.throwsAsync(assign('', 'x/1')), { code: 'INVALID_ARGUMENT', fields: [{ field: 'memberId' }] });
  t.like(await t.throwsAsync(assign(memberId, '')), { code: 'INVALID_ARGUMENT', fields: [{ field: 'operationId' }] });
  t.deepEqual(await told(memberId), []);
});

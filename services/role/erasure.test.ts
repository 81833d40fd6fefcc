import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { roleErasure } from './erasure.ts';
import { roleHandlers } from './grpc.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('role_erasure');
const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 60_000) };
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await roleHandlers(db).ensureBuiltInRoles({}, call);
});
test.after.always(() => scratch.drop());

test('roles that a restored copy gives to who was deleted are taken again, and it is told', async (t) => {
  const [memberId, other] = [randomUUID(), randomUUID()];
  for (const id of [memberId, other])
    await db.query(sql`insert into member_roles (member_id, role_id) values (${id}, 'member'), (${id}, 'admin')`);
  await db.query(sql`insert into member_role_versions (member_id, version) values (${memberId}, 7)`);
  const { erase } = roleErasure(db);
  t.deepEqual(await erase([memberId]), { erased: [{ memberId, place: 'member_roles', count: 2 }] });
  t.deepEqual(await erase([memberId]), { erased: [] });
  const held = await db.query<{ member_id: string }>(sql`select distinct member_id from member_roles`);
  t.deepEqual(held, [{ member_id: other }]);
  const told = await db.query(sql`select type, version, payload from outbox where aggregateid = ${memberId}`);
  t.like(told, [{ type: 'member-roles.unassigned', version: 8, payload: { memberId, version: 8 } }]);
  t.is(told.length, 1);
});

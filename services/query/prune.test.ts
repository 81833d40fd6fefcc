import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { memberEvent, memberRolesEvent } from './events.fixture.ts';
import { PROJECTIONS } from './projections/registry.ts';
import { project } from './projector.ts';
import { shownMember } from './seen.fixture.ts';
import { openStore } from './store.ts';

// Pruning looks at whole tables, so these tests have a database of their own and run one after the other: a version
// pruned under another test would let a late old event through.
const scratch = scratchDatabase('prune');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const prune = (age: string) => Promise.all(PROJECTIONS.map((projection) => db.query(projection.prune(age))));

test.serial('of what is gone only the version stays, and that not for ever', async (t) => {
  const memberId = randomUUID();
  const row = async () => (await db.query<Record<string, unknown>>(sql`select * from members where id = ${memberId}`))[0];
  const roles = () => db.query(sql`select from member_roles where id = ${memberId}`);
  await project(db, [memberEvent(memberId, 1, {}), memberRolesEvent(memberId, 1, [])]);
  await project(db, [memberEvent(memberId, 2, undefined)]);
  t.like(await row(), { display_name: null, email: null, login_id: null, search: null, created_at: null });
  await prune('1 day');
  t.truthy(await row());
  t.is((await roles()).length, 1);
  await prune('-1 day');
  await prune('-1 day');
  t.is(await row(), undefined);
  t.is((await roles()).length, 0);
});

test.serial('a member that came back, its deletion undone, is not pruned', async (t) => {
  const memberId = randomUUID();
  await project(db, [memberEvent(memberId, 1, {})]);
  await project(db, [memberEvent(memberId, 2, undefined)]);
  await project(db, [memberEvent(memberId, 3, {})]);
  await prune('-1 day');
  t.is((await shownMember(db, memberId))?.version, 3);
});

test.serial('how long roles have been gone counts from when they went', async (t) => {
  const memberId = randomUUID();
  await project(db, [memberRolesEvent(memberId, 1, [])]);
  await db.query(sql`update member_roles set gone_at = now() - interval '3 days' where id = ${memberId}`);
  await project(db, [memberRolesEvent(memberId, 2, [])]);
  await prune('1 day');
  t.is((await db.query(sql`select from member_roles where id = ${memberId}`)).length, 1);
});

test.serial('roles of a member that is yet to come are not gone', async (t) => {
  const memberId = randomUUID();
  await project(db, [memberRolesEvent(memberId, 1, ['member'])]);
  await prune('-1 day');
  await project(db, [memberEvent(memberId, 1, {})]);
  t.deepEqual((await shownMember(db, memberId))?.roleIds, ['member']);
});

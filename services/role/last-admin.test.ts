import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { roleHandlers } from './grpc.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('last_admin');
let db: Database;
let service: ReturnType<typeof roleHandlers>;
test.before(async () => {
  db = await openStore(scratch);
  service = roleHandlers(db);
  await service.ensureBuiltInRoles({}, call);
});
test.beforeEach(() => db.query(sql`delete from member_roles`));
test.after.always(() => scratch.drop());

const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 60_000) };
const admin = async (): Promise<string> => {
  const memberId = randomUUID();
  await service.assignRoles({ operationId: randomUUID(), memberId, roleIds: ['admin', 'member'] }, call);
  return memberId;
};
const unassign = (memberId: string, operationId: string = randomUUID()) =>
  service.unassignAllRoles({ operationId, memberId }, call);
const admins = async (): Promise<number> => (await db.query(sql`select from member_roles where role_id = 'admin'`)).length;

test.serial('the last admin stays, and the refusal changes nothing', async (t) => {
  const only = await admin();
  await t.throwsAsync(unassign(only, 'job/unassign'), { code: 'LAST_ADMIN' });
  t.is(await admins(), 1);
  t.is((await db.query(sql`select from member_roles where member_id = ${only}`)).length, 2);
  t.is((await db.query(sql`select from outbox where aggregateid = ${only}`)).length, 1);
  await admin();
  await t.notThrowsAsync(unassign(only, 'job/unassign'), 'once there is another, the same step may be tried anew');
});

test.serial('of all admins that are taken away at the same time one stays', async (t) => {
  for (let round = 0; round < 20; round++) {
    const members = [await admin(), await admin(), await admin()];
    const outcomes = await Promise.allSettled(members.map((memberId) => unassign(memberId)));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    t.deepEqual(
      refused.map(({ reason }) => reason.code),
      ['LAST_ADMIN'],
    );
    t.is(await admins(), 1);
    await db.query(sql`delete from member_roles`);
  }
});

test.serial('whether there is an admin is known to whoever installs the built-in roles', async (t) => {
  const hasAdmin = async () => (await service.ensureBuiltInRoles({}, call)).hasAdmin;
  t.false(await hasAdmin());
  await service.assignRoles({ operationId: randomUUID(), memberId: randomUUID(), roleIds: ['member'] }, call);
  t.false(await hasAdmin(), 'another role is none');
  const operationId = randomUUID();
  await service.assignRoles({ operationId, memberId: randomUUID(), roleIds: ['admin'] }, call);
  t.true(await hasAdmin());
  await service.undo({ operationId }, call);
  t.false(await hasAdmin(), 'nor is one who was not registered in the end');
});

test.serial('others come and go beside that', async (t) => {
  const only = await admin();
  const memberId = randomUUID();
  await service.assignRoles({ operationId: randomUUID(), memberId, roleIds: ['member'] }, call);
  await t.notThrowsAsync(unassign(memberId));
  t.is(await admins(), 1);
  await t.throwsAsync(unassign(only), { code: 'LAST_ADMIN' });
});

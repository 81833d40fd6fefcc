import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_ROLES } from '#platform/validation/access-fields.ts';
import { call, type Job, job, openTestRole, unique } from './role.fixture.ts';

const { db, service, createRole, eventsOf, undo, close } = await openTestRole('members');
test.after.always(close);

const register = async (roleIds: string[]): Promise<string> => {
  const memberId = randomUUID();
  await service.assignRoles({ operationId: randomUUID(), memberId, roleIds }, call);
  return memberId;
};
const rolesOf = async (memberId: string): Promise<string[]> => {
  const rows = await db.query<{ roleId: string }>(
    sql`select role_id as "roleId" from member_roles where member_id = ${memberId} order by 1`,
  );
  return rows.map(({ roleId }) => roleId);
};

test('a member is given roles once Auth goes by it, or is as it was', async (t) => {
  const { roleId } = await createRole();
  const memberId = await register(['member']);
  const { of } = job();
  const change = { operationId: of('begin'), memberId, add: [roleId], remove: [] };
  t.deepEqual(await service.beginChangeMemberRoles(change, call), { roleIds: [roleId, 'member'].sort() });
  t.deepEqual(await rolesOf(memberId), ['member']);
  await t.throwsAsync(service.beginChangeMemberRoles({ ...change, operationId: job().of('begin') }, call), {
    code: 'MEMBER_ROLES_BUSY',
  });
  await t.throwsAsync(service.unassignAllRoles({ operationId: randomUUID(), memberId }, call), { code: 'MEMBER_ROLES_BUSY' });
  await undo(of('begin'));
  t.deepEqual(await rolesOf(memberId), ['member']);
  const again = job();
  await service.beginChangeMemberRoles({ ...change, operationId: again.of('begin') }, call);
  const { written } = await service.commitMemberRoles({ operationId: again.of('commit'), memberId }, call);
  t.deepEqual(written, { type: 'member-roles', id: memberId, version: 2 });
  t.deepEqual(await rolesOf(memberId), [roleId, 'member'].sort());
});

test('a role that is being made is given to nobody', async (t) => {
  const roleId = randomUUID();
  const begun = { operationId: job().of('begin'), roleId, name: unique('Made'), description: '' };
  await service.beginCreateRole(begun, call);
  const giving = { operationId: job().of('begin'), memberId: await register(['member']), add: [roleId], remove: [] };
  await t.throwsAsync(service.beginChangeMemberRoles(giving, call), { code: 'ROLE_NOT_FOUND' });
  await t.throwsAsync(register([roleId]), { code: 'ROLE_NOT_FOUND' });
});

test('while a job changes what a member holds, it is registered with nothing', async (t) => {
  const memberId = await register(['member']);
  const { of } = job();
  await service.beginChangeMemberRoles({ operationId: of('begin'), memberId, add: [], remove: ['member'] }, call);
  const again = () => service.assignRoles({ operationId: randomUUID(), memberId, roleIds: ['member'] }, call);
  t.like(await t.throwsAsync(again()), { code: 'MEMBER_ROLES_BUSY', retryable: true });
  await service.commitMemberRoles({ operationId: of('commit'), memberId }, call);
  await t.notThrowsAsync(again());
});

test('a member holds so many roles, and no more', async (t) => {
  const ids = Array.from({ length: MOST_ROLES }, () => randomUUID());
  await db.query(sql`insert into roles (role_id, name, description, built_in, version, created_at, updated_at)
    select id, id, '', false, 1, now(), now() from unnest(${ids}::text[]) id`);
  const memberId = await register(ids);
  const change = (add: string[], remove: string[], { of } = job()) =>
    service.beginChangeMemberRoles({ operationId: of('begin'), memberId, add, remove }, call);
  await t.throwsAsync(change(['member'], []), { code: 'TOO_MANY_ROLES' });
  await t.notThrowsAsync(change(['member'], ids.slice(0, 1)));
});

test('a role that is being deleted is given to nobody, and one that is being given is not deleted', async (t) => {
  const { roleId } = await createRole();
  const memberId = await register(['member']);
  const giving = job();
  const give = (of: Job['of']) =>
    service.beginChangeMemberRoles({ operationId: of('begin'), memberId, add: [roleId], remove: [] }, call);
  const deleting = (of: Job['of']) =>
    service.beginDeleteRole({ operationId: of('begin'), roleId, expectedVersion: undefined }, call);
  await give(giving.of);
  await t.throwsAsync(deleting(job().of), { code: 'ROLE_BUSY' });
  await service.commitMemberRoles({ operationId: giving.of('commit'), memberId }, call);
  const removal = job();
  t.deepEqual(await deleting(removal.of), { holders: 1 });
  await t.throwsAsync(give(job().of), { code: 'ROLE_NOT_FOUND' });
  const taking = { operationId: removal.of('holders/0'), roleId, limit: 100 };
  t.deepEqual(await service.unassignHolders(taking, call), { members: 1 });
  t.deepEqual(await service.unassignHolders(taking, call), { members: 1 }, 'a repeat answers the same');
  await service.commitRole({ operationId: removal.of('commit'), roleId }, call);
  t.deepEqual(await rolesOf(memberId), ['member']);
  t.deepEqual((await eventsOf(memberId)).at(-1), 'member-roles.unassigned 3');
  const [told] = await db.query<{ payload: { roleIds: string[] } }>(
    sql`select payload from outbox where aggregateid = ${memberId} and version = 3`,
  );
  t.deepEqual(told?.payload.roleIds, ['member'], 'what it holds still');
});

test('of a deletion and a gift at the same time one goes through', async (t) => {
  for (let round = 0; round < 20; round++) {
    const { roleId } = await createRole();
    const memberId = await register(['member']);
    const outcomes = await Promise.allSettled([
      service.beginDeleteRole({ operationId: job().of('begin'), roleId, expectedVersion: undefined }, call),
      service.beginChangeMemberRoles({ operationId: job().of('begin'), memberId, add: [roleId], remove: [] }, call),
    ]);
    t.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  }
});

test.serial('of two admins that lose the role at the same time one stays', async (t) => {
  for (let round = 0; round < 10; round++) {
    await db.query(sql`delete from member_roles where role_id = 'admin'`);
    const admins = [await register(['admin']), await register(['admin'])];
    const outcomes = await Promise.allSettled(
      admins.map((memberId) =>
        service.beginChangeMemberRoles({ operationId: job().of('begin'), memberId, add: [], remove: ['admin'] }, call),
      ),
    );
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    t.deepEqual(refused, ['LAST_ADMIN']);
  }
});

test('who is being deleted is given no role any more; once that is undone, it may be again', async (t) => {
  const { roleId } = await createRole();
  const memberId = randomUUID();
  const deletion = job();
  await service.unassignAllRoles({ operationId: deletion.of('unassign'), memberId }, call);
  const begin = (of: Job['of']) =>
    service.beginChangeMemberRoles({ operationId: of('begin'), memberId, add: [roleId], remove: [] }, call);
  await t.throwsAsync(begin(job().of), { code: 'MEMBER_DELETING' });
  await undo(deletion.of('unassign'));
  const { of } = job();
  t.deepEqual(await begin(of), { roleIds: [roleId] });
  await t.throwsAsync(service.unassignAllRoles({ operationId: job().of('unassign'), memberId }, call), {
    code: 'MEMBER_ROLES_BUSY',
  });
});

test('how many hold a role is counted, and it is taken from some at a time', async (t) => {
  const { roleId } = await createRole();
  const holders = Array.from({ length: 5 }, () => randomUUID());
  for (const memberId of holders)
    await service.assignRoles({ operationId: job().of('assign'), memberId, roleIds: [roleId] }, call);
  const of = job().of;
  t.deepEqual(await service.countHolders({ operationId: of('count'), roleId }, call), { holders: 5 });
  const take = (part: number) => service.unassignHolders({ operationId: of(`unassign/${part}`), roleId, limit: 3 }, call);
  t.deepEqual(await take(0), { members: 3 });
  t.deepEqual(await take(0), { members: 3 }, 'a repeat takes it from nobody else');
  t.deepEqual(await take(1), { members: 2 });
  t.deepEqual(await service.countHolders({ operationId: of('count again'), roleId }, call), { holders: 0 });
});

import { randomUUID } from 'node:crypto';
import anyTest, { type ExecutionContext } from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { newId } from '#platform/validation/id.ts';
import type { Member } from '../../services/auth/domain.ts';
import type { Kind } from '../../worker/reconcile/drift.ts';
import { reconcile } from '../../worker/reconcile/reconcile.ts';
import { type Access, loginOf, openAccess, roleOf } from './reconcile.fixture.ts';

// What differs, and yet nothing is taken away for it: what a job is at, what goes by itself, and what a store has lost.

// One after the other: each opens databases, and much of that at once is too much for a small machine.
const test = anyTest.serial;

const system = async (t: ExecutionContext): Promise<Access> => {
  const access = await openAccess();
  t.teardown(access.close);
  return access;
};

test('what a job is at is no difference: of a member, of its roles, of a role, of a policy', async (t) => {
  const access = await system(t);
  await access.member(['admin']);
  const [suspended, lowered] = [await access.member(), await access.member()];
  const [changed, deleted] = [await access.role(), await access.role()];
  const holder = await access.member(['member', deleted.roleId]);
  const { peers } = access;
  const jobId = randomUUID();
  const op = (step: string) => ({ operationId: `${jobId}/${step}` });
  // Each as far as Auth's step, and no further.
  await peers.member.closeMember({ ...op('member.closeMember'), memberId: suspended.memberId, reopens: true });
  await peers.auth.suspendLogin({ ...op('auth.suspendLogin'), memberId: suspended.memberId });
  await peers.role.beginChangeMemberRoles({ ...op('b'), memberId: lowered.memberId, add: [], remove: ['member'] });
  await peers.auth.changeRoles({ ...op('auth.changeRoles'), memberId: lowered.memberId, roleIds: [] });
  const simple = { effect: 'EFFECT_ALLOW' as const, actions: ['member.list'], resources: ['*'] };
  const begun = await peers.role.beginUpdatePolicy({ ...op('u'), policyId: changed.policyId, simple });
  await peers.auth.changePolicy({ ...op('auth.changePolicy'), ...begun, raw: false });
  await peers.role.beginDeleteRole({ ...op('d'), roleId: deleted.roleId });
  await peers.auth.removeRole({ ...op('auth.removeRole'), roleId: deleted.roleId });
  const created = newId();
  await peers.role.beginCreateRole({ ...op('c'), roleId: created, name: randomUUID(), description: '' });
  await peers.auth.addRole({ ...op('auth.addRole'), roleId: created });
  const registering = newId();
  const profile = { loginId: `m.${registering}`, displayName: 'M', email: 'm@example.com' };
  await peers.member.createMember({ ...op('r'), memberId: registering, ...profile });

  const report = await reconcile(access.context);
  t.deepEqual([report.repaired, report.left], [{}, []]);
  t.is((await loginOf(access, holder.memberId))?.status, 'active');
  // A role that is gone stays among those of its holders in Auth: it permits nothing.
  await peers.role.unassignHolders({ ...op('h'), roleId: deleted.roleId, limit: 10 });
  t.deepEqual((await reconcile(access.context)).repaired, {}, 'nor while it is taken from them');
  await peers.role.commitRole({ ...op('d'), operationId: `${jobId}/commit`, roleId: deleted.roleId });
  t.deepEqual((await reconcile(access.context)).repaired, {});
});

test('what differs for a moment, or is changed before it is put right, is left alone', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  const { members } = access.auth.store;
  const set = (status: 'active' | 'suspended') =>
    members.updateOne({ _id: memberId }, { $set: { status }, $inc: { version: 1 } });
  await set('suspended');
  const healing = reconcile({ ...access.context, settleMs: 500 });
  setTimeout(() => void set('active'), 100);
  t.deepEqual((await healing).repaired, {});

  await set('suspended');
  const { auth } = access.context;
  const correctLogin = async (request: Parameters<typeof auth.correctLogin>[0]) => {
    await set('suspended');
    return await auth.correctLogin(request);
  };
  const { repaired, left } = await reconcile({ ...access.context, auth: { ...auth, correctLogin } });
  t.deepEqual([repaired, left], [{}, []]);
  t.is((await loginOf(access, memberId))?.status, 'suspended', 'the next run sees to it');
});

test('a role that is changed before it is put right, or taken away, is left alone', async (t) => {
  const access = await system(t);
  await access.member(['admin']);
  const { roleId } = await access.role();
  const { roles } = access.auth.store;
  const unknown = newId();
  await access.auth.role(unknown, ['permit (principal, action, resource);']);
  await roles.updateOne({ _id: roleId }, { $set: { policies: [] } });
  const { auth } = access.context;
  const correctRole = async (request: Parameters<typeof auth.correctRole>[0]) => {
    await roles.updateOne({ _id: request.roleId }, { $inc: { version: 1 } });
    return await auth.correctRole(request);
  };
  const { repaired, left } = await reconcile({ ...access.context, auth: { ...auth, correctRole } });
  t.deepEqual([repaired, left], [{}, []]);
  t.deepEqual((await roleOf(access, roleId))?.policies, []);
  t.truthy(await roleOf(access, unknown));
  t.deepEqual((await reconcile(access.context)).repaired, { policies: 1, 'unknown-role': 1 });
});

test('a store that tells of nothing, or has lost much, has nothing taken away by it', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  await access.memberDb.query(sql`delete from members`);
  const empty = await reconcile(access.context);
  t.deepEqual(empty.left, [{ kind: 'unknown-member', id: memberId, code: 'STORE_EMPTY' }]);
  t.is((await loginOf(access, memberId))?.status, 'active');

  await access.member(['admin']);
  const { members } = access.auth.store;
  const one = (await members.findOne<Member>({ _id: memberId })) as Member;
  await members.insertMany(
    Array.from({ length: 100 }, () => ({ ...one, _id: newId(), loginId: randomUUID(), loginKey: randomUUID(), roleIds: [] })),
  );
  const { left, leftInAll, repaired } = await reconcile(access.context);
  t.deepEqual([leftInAll, repaired], [101, {}]);
  t.is(left.length, 20);
  t.true(left.every(({ code }) => code === 'TOO_MANY'));
});

test('a store that was emptied and has begun anew has nothing taken away by what little it tells', async (t) => {
  const access = await system(t);
  const members = [await access.member(['admin']), await access.member(), await access.member()];
  const { roleId } = await access.role();
  await access.memberDb.query(sql`delete from members`);
  await access.roleDb.query(sql`truncate roles, role_policies, member_roles, member_role_versions`);
  // What is done meanwhile.
  const { roleId: newRole } = await access.role();
  await access.member([newRole]);
  const { left, leftInAll, repaired } = await reconcile(access.context);
  t.deepEqual(repaired, {});
  const lost = ['admin', 'member', roleId].map((id) => ({ kind: 'unknown-role' as Kind, id, code: 'STORE_EMPTY' }));
  const unknown = members.map(({ memberId }) => ({ kind: 'unknown-member' as Kind, id: memberId, code: 'TOO_MANY' }));
  const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
  t.deepEqual(left.toSorted(byId), [...lost, ...unknown].toSorted(byId));
  t.is(leftInAll, 6);
  for (const { memberId } of members) t.is((await loginOf(access, memberId))?.status, 'active');
});

test('of a member of whom Role knows nothing no role is taken, as it held some', async (t) => {
  const access = await system(t);
  const [admin, other] = [await access.member(['admin']), await access.member()];
  await access.roleDb.query(sql`truncate member_roles, member_role_versions`);
  await access.auth.store.members.updateOne({ _id: other.memberId }, { $set: { status: 'suspended' } });
  const { left, repaired } = await reconcile(access.context);
  t.deepEqual(repaired, { 'closed-login': 1 });
  // Who gets something comes first.
  t.deepEqual(
    left,
    [other, admin].map(({ memberId }) => ({ kind: 'extra-role', id: memberId, code: 'STORE_EMPTY' })),
  );
  t.deepEqual((await loginOf(access, admin.memberId))?.roleIds, ['admin']);
  t.deepEqual((await loginOf(access, other.memberId))?.roleIds, ['member']);
});

test('of a Role that has lost all, no role is taken away, and who holds them keeps them', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member(['admin']);
  for (const table of [sql`member_roles`, sql`member_role_versions`, sql`role_policies`, sql`roles`])
    await access.roleDb.query(sql`delete from ${table}`);
  const { repaired, left } = await reconcile(access.context);
  t.deepEqual(repaired, {});
  t.deepEqual(
    left.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    ['admin', 'member'].map((id) => ({ kind: 'unknown-role', id, code: 'STORE_EMPTY' })),
  );
  t.is((await roleOf(access, 'admin'))?.policies.length, 1);
  t.deepEqual((await loginOf(access, memberId))?.roleIds, ['admin']);
});

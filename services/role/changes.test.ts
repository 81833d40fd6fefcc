import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_POLICIES } from '#platform/validation/access-fields.ts';
import { call, type Job, job, openTestRole, PERMIT, unique } from './role.fixture.ts';

const { db, service, createRole, createPolicy, attach, roleOf, policyOf, eventsOf, undo, close } = await openTestRole('changes');
test.after.always(close);

test('a role that is being created is seen by nobody, then by all; undone, it leaves its name to others', async (t) => {
  const name = unique('Writer');
  const roleId = randomUUID();
  const first = job();
  const begin = (of: Job['of'], id: string) =>
    service.beginCreateRole({ operationId: of('begin'), roleId: id, name, description: '' }, call);
  await begin(first.of, roleId);
  t.is(await roleOf(roleId), undefined);
  await t.throwsAsync(begin(job().of, randomUUID()), { code: 'NAME_TAKEN' });
  await undo(first.of('begin'));
  t.deepEqual(await eventsOf(roleId), []);
  const second = job();
  await begin(second.of, roleId);
  const { written } = await service.commitRole({ operationId: second.of('commit'), roleId }, call);
  t.deepEqual(written, { type: 'role', id: roleId, version: 1 });
  t.like(await roleOf(roleId), { name, policyIds: [], builtIn: false, lockHolder: null });
  t.deepEqual(await eventsOf(roleId), ['role.created 1']);
});

test('what does not exist is not said to be a field, as it is none of the request, and a name that is taken says what to do', async (t) => {
  const roleId = randomUUID();
  const change = { roleId, name: unique('Nobody'), description: undefined, expectedVersion: undefined };
  const nowhere = await t.throwsAsync(service.beginUpdateRole({ operationId: job().of('begin'), ...change }, call));
  t.like(nowhere, { code: 'ROLE_NOT_FOUND', message: `There is no role ${roleId}.`, fields: [] });
  const { name } = await createRole();
  const taken = await t.throwsAsync(createRole(name));
  t.like(taken, { fields: [{ field: 'name', code: 'TAKEN', message: 'is the name of another role; choose another' }] });
});

test('names of one kind are one in any case and width; a name that is given up is free once the change is committed', async (t) => {
  const { roleId, name } = await createRole();
  await t.throwsAsync(createRole(name.toUpperCase()), { code: 'NAME_TAKEN' });
  const { of } = job();
  const renamed = unique('Other');
  const begin = { operationId: of('begin'), roleId, name: renamed, description: undefined, expectedVersion: 1 };
  await service.beginUpdateRole(begin, call);
  await t.throwsAsync(createRole(name), { code: 'NAME_TAKEN' }, 'it may be undone yet');
  await t.throwsAsync(createRole(renamed), { code: 'NAME_TAKEN' });
  await service.commitRole({ operationId: of('commit'), roleId }, call);
  await t.notThrowsAsync(createRole(name));
  t.like(await roleOf(roleId), { name: renamed, description: 'may edit', version: 2 });
  await t.notThrowsAsync(createPolicy(renamed), 'a policy is no role');
});

test('an update that is undone leaves all as it was, its name too', async (t) => {
  const { roleId, name } = await createRole();
  const { of } = job();
  const other = unique('Other');
  await service.beginUpdateRole(
    { operationId: of('begin'), roleId, name: other, description: 'x', expectedVersion: undefined },
    call,
  );
  await undo(of('begin'));
  t.like(await roleOf(roleId), { name, version: 1, lockHolder: null, pending: null });
  await t.notThrowsAsync(createRole(other));
  t.deepEqual(await eventsOf(roleId), ['role.created 1']);
});

test('one job at a time changes a role; who saw an older version is refused', async (t) => {
  const { roleId } = await createRole();
  const { policyId } = await createPolicy();
  const first = job();
  await service.beginDeleteRole({ operationId: first.of('begin'), roleId, expectedVersion: 1 }, call);
  const second = job();
  const update = { operationId: second.of('begin'), roleId, name: 'x', description: undefined, expectedVersion: undefined };
  await t.throwsAsync(service.beginUpdateRole(update, call), { code: 'ROLE_BUSY' });
  await t.throwsAsync(service.commitRole({ operationId: second.of('commit'), roleId }, call), { code: 'LOCK_NOT_HELD' });
  await undo(first.of('begin'));
  await t.throwsAsync(service.beginUpdateRole({ ...update, expectedVersion: 7 }, call), { code: 'VERSION_MISMATCH' });
  const attaching = { operationId: job().of('begin'), roleId, policyId, expectedVersion: undefined };
  await t.notThrowsAsync(service.beginAttachPolicy(attaching, call));
});

test('what is built in stays as it is', async (t) => {
  const given = { operationId: job().of('x'), expectedVersion: undefined };
  await t.throwsAsync(service.beginDeleteRole({ ...given, roleId: 'admin' }, call), { code: 'BUILT_IN' });
  const update = { ...given, roleId: 'member', name: 'x', description: undefined };
  await t.throwsAsync(service.beginUpdateRole(update, call), { code: 'BUILT_IN' });
  const { policyId } = await createPolicy();
  await t.throwsAsync(service.beginAttachPolicy({ ...given, roleId: 'admin', policyId }, call), { code: 'BUILT_IN' });
  const policy = { ...given, policyId: 'admin.everything', name: undefined, cedar: PERMIT, simple: undefined };
  await t.throwsAsync(service.beginUpdatePolicy(policy, call), { code: 'BUILT_IN' });
  t.deepEqual(await eventsOf('admin'), ['role.updated 1'], 'it was told of when it was installed');
});

test('policies are attached and detached, each once; one that a role carries can not be deleted', async (t) => {
  const { roleId } = await createRole();
  const { policyId } = await createPolicy();
  await attach(roleId, policyId);
  t.like(await roleOf(roleId), { policyIds: [policyId], version: 2 });
  await t.throwsAsync(attach(roleId, policyId), { code: 'ALREADY_ATTACHED' });
  const removal = { operationId: job().of('begin'), policyId, expectedVersion: undefined };
  await t.throwsAsync(service.beginDeletePolicy(removal, call), { code: 'POLICY_IN_USE' });
  const { of } = job();
  await service.beginDetachPolicy({ operationId: of('begin'), roleId, policyId, expectedVersion: 2 }, call);
  t.like(await roleOf(roleId), { policyIds: [policyId] }, 'until Auth goes by it');
  await service.commitRole({ operationId: of('commit'), roleId }, call);
  t.like(await roleOf(roleId), { policyIds: [], version: 3 });
  const detached = { operationId: job().of('begin'), roleId, policyId, expectedVersion: undefined };
  await t.throwsAsync(service.beginDetachPolicy(detached, call), { code: 'NOT_ATTACHED' });
  const last = job();
  await service.beginDeletePolicy({ ...removal, operationId: last.of('begin') }, call);
  await service.commitPolicy({ operationId: last.of('commit'), policyId }, call);
  t.is(await policyOf(policyId), undefined);
  t.deepEqual(await eventsOf(policyId), ['policy.created 1', 'policy.deleted 2']);
});

test('a policy that is about to be attached is in use; one that is being changed waits', async (t) => {
  const { roleId } = await createRole();
  const { policyId } = await createPolicy();
  const { of } = job();
  await service.beginAttachPolicy({ operationId: of('begin'), roleId, policyId, expectedVersion: undefined }, call);
  const removal = { operationId: job().of('begin'), policyId, expectedVersion: undefined };
  await t.throwsAsync(service.beginDeletePolicy(removal, call), { code: 'POLICY_IN_USE' });
  const change = { ...removal, name: undefined, cedar: 'forbid (principal, action, resource);', simple: undefined };
  const { roleIds } = await service.beginUpdatePolicy(change, call);
  t.deepEqual(roleIds, [roleId]);
  const other = await createRole();
  const attaching = { operationId: job().of('begin'), roleId: other.roleId, policyId, expectedVersion: undefined };
  await t.throwsAsync(service.beginAttachPolicy(attaching, call), { code: 'POLICY_BUSY' });
});

test('what is being made is not attached, and what is being changed not detached', async (t) => {
  const { roleId } = await createRole();
  const [making, policyId] = [job(), randomUUID()];
  const given = { operationId: making.of('begin'), policyId, name: unique('Made'), cedar: PERMIT, simple: undefined };
  await service.beginCreatePolicy(given, call);
  const ofRole = () => ({ operationId: job().of('begin'), roleId, policyId, expectedVersion: undefined });
  await t.throwsAsync(service.beginAttachPolicy(ofRole(), call), { code: 'POLICY_NOT_FOUND' });
  await service.commitPolicy({ operationId: making.of('commit'), policyId }, call);
  await attach(roleId, policyId);
  const { of } = job();
  const change = { operationId: of('begin'), policyId, name: undefined, cedar: undefined, simple: undefined };
  await service.beginUpdatePolicy({ ...change, expectedVersion: undefined }, call);
  await t.throwsAsync(service.beginDetachPolicy(ofRole(), call), { code: 'POLICY_BUSY' });
  await undo(of('begin'));
  await t.notThrowsAsync(service.beginDetachPolicy(ofRole(), call));
});

test('a job that has committed lets go of nothing that another one has taken since', async (t) => {
  const { roleId, jobId } = await createRole();
  const { of } = job();
  const update = { operationId: of('begin'), roleId, name: undefined, description: 'x', expectedVersion: undefined };
  await service.beginUpdateRole(update, call);
  await undo(`${jobId}/begin`);
  await t.notThrowsAsync(service.commitRole({ operationId: of('commit'), roleId }, call));
});

test('a role carries so many policies, and no more', async (t) => {
  const { roleId } = await createRole();
  const ids = Array.from({ length: MOST_POLICIES }, () => randomUUID());
  await db.query(sql`insert into policies (policy_id, name, cedar, built_in, version, created_at, updated_at)
    select id, id, ${PERMIT}, false, 1, now(), now() from unnest(${ids}::text[]) id`);
  await db.query(sql`insert into role_policies (role_id, policy_id) select ${roleId}, unnest(${ids.slice(1)}::text[])`);
  await attach(roleId, ids[0] ?? '');
  await t.throwsAsync(attach(roleId, (await createPolicy()).policyId), { code: 'TOO_MANY_POLICIES' });
});

test('a policy that was simple and is written as Cedar is simple no more', async (t) => {
  const policyId = randomUUID();
  const [making, changing] = [job(), job()];
  const simple = { effect: 'EFFECT_ALLOW' as const, actions: ['member.read'], resources: ['*'] };
  const given = { operationId: making.of('begin'), policyId, name: unique('Form'), cedar: '', simple };
  await service.beginCreatePolicy(given, call);
  await service.commitPolicy({ operationId: making.of('commit'), policyId }, call);
  const change = { operationId: changing.of('begin'), policyId, name: undefined, cedar: PERMIT, simple: undefined };
  await service.beginUpdatePolicy({ ...change, expectedVersion: undefined }, call);
  await service.commitPolicy({ operationId: changing.of('commit'), policyId }, call);
  t.like(await policyOf(policyId), { simple: null, cedar: PERMIT, version: 2 });
});

test('a policy in the simple form is kept with what it is in Cedar', async (t) => {
  const policyId = randomUUID();
  const memberId = randomUUID();
  const { of } = job();
  const simple = {
    effect: 'EFFECT_DENY' as const,
    actions: ['member.read', 'member.list', 'member.read'],
    resources: ['own', `member:${memberId}`, 'role:admin'],
  };
  const name = unique('Simple');
  const { policy } = await service.beginCreatePolicy({ operationId: of('begin'), policyId, name, cedar: '', simple }, call);
  t.is(
    policy?.cedar,
    `forbid (principal, action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource)\nwhen { (resource has owner && resource.owner == principal) || resource in Musubi::Member::"${memberId}" || resource in Musubi::Role::"admin" };`,
  );
  await service.commitPolicy({ operationId: of('commit'), policyId }, call);
  const shown = { effect: 'deny', actions: ['member.read', 'member.list'], resources: simple.resources };
  t.like(await policyOf(policyId), { simple: shown, cedar: policy?.cedar });
});

test('a thing in the simple form is read in either case; one of a member is no word', async (t) => {
  const begin = (resource: string) => {
    const simple = { effect: 'EFFECT_ALLOW' as const, actions: ['member.read'], resources: [resource] };
    const given = { operationId: job().of('begin'), policyId: randomUUID(), name: unique('Simple'), cedar: '' };
    return service.beginCreatePolicy({ ...given, simple }, call);
  };
  const memberId = randomUUID();
  for (const [written, type, id] of [
    [`member:${memberId.toUpperCase()}`, 'Member', memberId],
    ['role:ADMIN', 'Role', 'admin'],
    ['policy:member.own-jobs', 'Policy', 'member.own-jobs'],
  ] as const)
    t.true((await begin(written)).policy?.cedar.endsWith(`when { resource in Musubi::${type}::"${id}" };`), written);
  for (const wrong of ['member:admin', 'job:mine', `Member:${memberId}`, 'role:', 'everything']) {
    const error = await t.throwsAsync(begin(wrong), { code: 'INVALID_POLICY' }, wrong);
    t.regex(error?.message ?? '', /resources\[0\] must be \*, own, or one thing by its type and ID, as member:0199/, wrong);
  }
});

for (const [what, simple] of Object.entries({
  'an action that ends the string': { effect: 'EFFECT_ALLOW', actions: ['a.b"]'], resources: ['*'] },
  'a thing that ends the string': { effect: 'EFFECT_ALLOW', actions: ['*'], resources: ['member:x" }; permit'] },
  'no effect': { effect: 'EFFECT_UNSPECIFIED', actions: ['*'], resources: ['*'] },
  'no action': { effect: 'EFFECT_ALLOW', actions: [], resources: ['*'] },
  'a thousand actions': { effect: 'EFFECT_ALLOW', actions: Array(1_000).fill('a.b'), resources: ['*'] },
} as const)) {
  test(`no simple policy: ${what}`, async (t) => {
    const given = { operationId: job().of('begin'), policyId: randomUUID(), name: unique('Bad'), cedar: '' };
    const wrong = service.beginCreatePolicy(
      { ...given, simple: { ...simple, actions: [...simple.actions], resources: [...simple.resources] } },
      call,
    );
    await t.throwsAsync(wrong, { code: 'INVALID_POLICY' });
  });
}

test('of Cedar and the simple form a policy has one; too long a text, or none, is no policy', async (t) => {
  const given = { operationId: job().of('begin'), policyId: randomUUID(), name: unique('Bad') };
  const simple = { effect: 'EFFECT_ALLOW' as const, actions: ['*'], resources: ['*'] };
  for (const wrong of [
    { cedar: PERMIT, simple },
    { cedar: '', simple: undefined },
    { cedar: ' '.repeat(10_001), simple: undefined },
  ])
    await t.throwsAsync(service.beginCreatePolicy({ ...given, ...wrong }, call), { code: 'INVALID_POLICY' });
});

// Who holds what.

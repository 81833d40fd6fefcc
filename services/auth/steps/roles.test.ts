import { randomUUID } from 'node:crypto';
import test from 'ava';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const READ = 'permit (principal, action == Musubi::Action::"member.read", resource);';
const UPDATE = 'permit (principal, action == Musubi::Action::"member.update", resource);';
const policyOf = (cedar: string, policyId: string = randomUUID()) => ({ policyId, name: '', cedar });
const roleOf = (roleId: string) => auth.store.roles.findOne({ _id: roleId });
const textsOf = async (roleId: string) => (await roleOf(roleId))?.policies.map(({ cedar }) => cedar);

async function role(...policies: { policyId: string; name: string; cedar: string }[]): Promise<string> {
  const roleId = randomUUID();
  await auth.steps.addRole({ operationId: randomUUID(), roleId });
  for (const policy of policies) await auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy });
  return roleId;
}

test('a role is made, and removed; each is undone, and under a version that it never had', async (t) => {
  const policy = policyOf(READ);
  const [made, roleId] = [randomUUID(), randomUUID()];
  await auth.steps.addRole({ operationId: made, roleId });
  t.like(await roleOf(roleId), { version: 1, policies: [] });
  await auth.steps.undo({ operationId: made });
  t.is(await roleOf(roleId), null);

  const kept = await role(policy);
  const removed = randomUUID();
  await auth.steps.removeRole({ operationId: removed, roleId: kept });
  await auth.steps.removeRole({ operationId: removed, roleId: kept });
  t.is(await roleOf(kept), null);
  await auth.steps.undo({ operationId: removed });
  t.like(await roleOf(kept), { version: 3, policies: [policy] });
});

test('what a role carries changes at once, and undone is as it was', async (t) => {
  const [first, second] = [policyOf(READ), policyOf(UPDATE)];
  const roleId = await role(first);
  const attached = randomUUID();
  await auth.steps.attachPolicy({ operationId: attached, roleId, policy: second });
  t.deepEqual(await textsOf(roleId), [READ, UPDATE]);
  await auth.steps.undo({ operationId: attached });
  t.deepEqual(await textsOf(roleId), [READ]);
  const detached = randomUUID();
  await auth.steps.detachPolicy({ operationId: detached, roleId, policyId: first.policyId });
  t.deepEqual(await textsOf(roleId), []);
  await auth.steps.undo({ operationId: detached });
  t.deepEqual(await textsOf(roleId), [READ]);
  const nowhere = { operationId: randomUUID(), roleId: randomUUID() };
  await t.throwsAsync(auth.steps.attachPolicy({ ...nowhere, policy: first }), { code: 'ROLE_NOT_FOUND' });
  await t.throwsAsync(auth.steps.detachPolicy({ ...nowhere, policyId: first.policyId }), { code: 'ROLE_NOT_FOUND' });
});

test('what a role carries is written at the role alone, however many hold it', async (t) => {
  const policy = policyOf(READ);
  const roleId = await role();
  const holders = await Promise.all(Array.from({ length: 20 }, () => auth.member({ roleIds: [roleId] })));
  const written = async () => {
    const members = await auth.store.members.find({ _id: { $in: holders } }, { sort: { _id: 1 } }).toArray();
    const told = await auth.store.mongo.db.collection('outbox').countDocuments({ aggregateid: { $in: holders } });
    return { members, told };
  };
  const before = await written();
  t.is(before.members.length, 20);
  await auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy });
  await auth.steps.changePolicy({
    operationId: randomUUID(),
    policy: { ...policy, cedar: UPDATE },
    roleIds: [roleId],
    raw: true,
  });
  await auth.steps.detachPolicy({ operationId: randomUUID(), roleId, policyId: policy.policyId });
  t.deepEqual(await written(), before);
  t.is((await roleOf(roleId))?.version, 4, 'once for each');
});

test('a policy changes in all roles that carry it in one step, whoever holds these', async (t) => {
  const policy = policyOf(READ);
  const roleIds = await Promise.all([role(policy), role(policy), role(policyOf(READ))]);
  const operationId = randomUUID();
  await auth.steps.changePolicy({ operationId, policy: { ...policy, cedar: UPDATE }, roleIds: roleIds.slice(0, 2), raw: true });
  t.deepEqual(await Promise.all(roleIds.map(textsOf)), [[UPDATE], [UPDATE], [READ]]);
  await auth.steps.undo({ operationId });
  t.deepEqual(await Promise.all(roleIds.map(textsOf)), [[READ], [READ], [READ]]);
  for (const [cedar, code] of [
    ['permit all', 'INVALID_POLICY'],
    ['permit (principal, action == Musubi::Action::"member.fly", resource);', 'INVALID_POLICY'],
  ] as const) {
    const given = { operationId: randomUUID(), policy: { ...policy, cedar }, roleIds };
    await t.throwsAsync(auth.steps.changePolicy({ ...given, raw: true }), { code });
    const error = await t.throwsAsync(auth.steps.changePolicy({ ...given, raw: false }), { code });
    t.deepEqual(
      (error as unknown as { fields: { field: string }[] }).fields.map(({ field }) => field),
      ['actions'],
    );
  }
  for (const resource of ['resource in Musubi::Job::"x"', '(resource has owner && resource.owner == principal)']) {
    const action = resource.includes('Job') ? 'member.list' : 'role.update';
    const never = `forbid (principal, action in [Musubi::Action::"${action}"], resource)\nwhen { ${resource} };`;
    const asked = { operationId: randomUUID(), policy: { ...policy, cedar: never }, roleIds, raw: false };
    const refused = await t.throwsAsync(auth.steps.changePolicy(asked), { code: 'INVALID_POLICY' });
    t.regex(refused?.message ?? '', /resources must be what the actions are done to/);
  }
  const elsewhere = { ...policy, cedar: 'permit (principal, action, resource)\nwhen { resource in Musubi::Planet::"x" };' };
  const given = { operationId: randomUUID(), policy: elsewhere, roleIds, raw: false };
  const error = await t.throwsAsync(auth.steps.changePolicy(given), { code: 'INVALID_POLICY' });
  t.like(error, { fields: [{ field: 'resources' }] });
  t.regex(error?.message ?? '', /^The request is not valid: resources is not valid: unrecognized entity type `Musubi::Planet`/);
});

// Serial: it looks at all administrators.
test.serial(
  'a member gets exactly the roles that are given, keeps its state, and the last administrator stays one',
  async (t) => {
    const roleId = await role(policyOf(READ));
    await auth.role('admin', ['permit (principal, action, resource);']);
    const one = await auth.member({ roleIds: ['admin'] });
    const member = () => auth.store.members.findOne({ _id: one }, { projection: { roleIds: 1, status: 1 } });
    const change = (memberId: string, roleIds: string[], operationId: string = randomUUID()) =>
      auth.steps.changeRoles({ operationId, memberId, roleIds });
    await t.throwsAsync(change(one, [roleId]), { code: 'LAST_ADMIN' });
    t.deepEqual((await member())?.roleIds, ['admin']);
    await auth.member({ roleIds: ['admin'] });
    const lowered = randomUUID();
    await change(one, [roleId], lowered);
    t.deepEqual((await member())?.roleIds, [roleId]);
    await auth.steps.undo({ operationId: lowered });
    t.like(await member(), { roleIds: ['admin'], status: 'active' });
    await auth.steps.suspendLogin({ operationId: randomUUID(), memberId: one });
    await change(one, [roleId]);
    t.like(await member(), { roleIds: [roleId], status: 'suspended' }, 'a change of roles lets nobody in');
    await t.throwsAsync(change(one, [roleId, randomUUID()]), { code: 'ROLE_NOT_FOUND' });
    await t.throwsAsync(change(randomUUID(), [roleId]), { code: 'MEMBER_NOT_FOUND' });
  },
);

import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { requireHeld } from '../permitted.ts';
import { logIn } from '../rpcs/log-in.ts';

const PERMIT = 'permit (principal, action == Musubi::Action::"member.delete", resource);';
const FORBID = 'forbid (principal, action, resource);';
const policyOf = (cedar: string, policyId: string = randomUUID()) => ({ policyId, name: '', cedar });

/** An administrator, the only one, and a role that it may be given. */
async function alone(t: ExecutionContext) {
  const auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => auth.close());
  await auth.role('admin', ['permit (principal, action, resource);']);
  const admin = await auth.member({ roleIds: ['admin'] });
  const role = async (...cedars: string[]): Promise<string> => {
    const roleId = randomUUID();
    await auth.steps.addRole({ operationId: randomUUID(), roleId });
    for (const cedar of cedars) await auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy: policyOf(cedar) });
    return roleId;
  };
  return { auth, admin, role };
}

const give = (auth: TestAuth, memberId: string, ...roleIds: string[]) =>
  auth.steps.changeRoles({ operationId: randomUUID(), memberId, roleIds: ['admin', ...roleIds].sort() });
const attach = (auth: TestAuth, roleId: string, cedar: string) =>
  auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy: policyOf(cedar) });

test.serial(
  'the last administrator is not locked out by what forbids: by a role, a policy of it, or what that says',
  async (t) => {
    const { auth, admin, role } = await alone(t);
    const [forbids, harmless] = [await role(FORBID), await role(PERMIT)];
    await t.throwsAsync(give(auth, admin, forbids), { code: 'LAST_ADMIN' });
    await give(auth, admin, harmless);
    await t.throwsAsync(attach(auth, harmless, FORBID), { code: 'LAST_ADMIN' });
    const [policy] = (await auth.store.roles.findOne({ _id: harmless }))?.policies ?? [];
    const changed = { operationId: randomUUID(), policy: policyOf(FORBID, policy?.policyId), roleIds: [harmless], raw: true };
    await t.throwsAsync(auth.steps.changePolicy(changed), { code: 'LAST_ADMIN' });
    // One that nothing forbids anything to is enough.
    const other = await auth.member({ roleIds: ['admin'] });
    await give(auth, admin, harmless, forbids);
    await t.throwsAsync(give(auth, other, forbids), { code: 'LAST_ADMIN' });
    await t.throwsAsync(auth.steps.suspendLogin({ operationId: randomUUID(), memberId: other }), { code: 'LAST_ADMIN' });
  },
);

test.serial(
  'two that each forbid the last two something at once, or give a role while it is made to forbid: one is refused',
  async (t) => {
    const { auth, admin, role } = await alone(t);
    const forbids = await role(FORBID);
    const other = await auth.member({ roleIds: ['admin'] });
    const codesOf = async (...all: Promise<unknown>[]) =>
      (await Promise.allSettled(all)).flatMap((each) =>
        each.status === 'rejected' ? [(each.reason as { code: string }).code] : [],
      );
    t.deepEqual(await codesOf(give(auth, admin, forbids), give(auth, other, forbids)), ['LAST_ADMIN']);
    for (const memberId of [admin, other]) await give(auth, memberId);
    await give(auth, other, forbids);
    for (let n = 0; n < 5; n++) {
      const roleId = await role();
      t.deepEqual(await codesOf(give(auth, admin, roleId), attach(auth, roleId, FORBID)), ['LAST_ADMIN']);
      await give(auth, admin);
    }
  },
);

test.serial('who is no administrator binds none by what forbids, though it holds that itself', async (t) => {
  const { auth, admin, role } = await alone(t);
  await auth.member({ roleIds: ['admin'] });
  const forbids = await role('forbid (principal, action == Musubi::Action::"member.delete", resource);');
  const others = await role();
  const managing = await role(
    'permit (principal, action in [Musubi::Action::"role.assign", Musubi::Action::"role.attach-policy"], resource);',
  );
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId, roleIds: [managing, forbids] });
  const { accessToken } = await logIn(auth, loginOf(loginId));
  const { sessionId } = await auth.accessTokens.verify(accessToken);
  const permit = (action: string, id: string) =>
    auth.permits.seal({ memberId, sessionId, action, resource: { type: 'Role', id, ownerId: '' } });
  const refused = { code: 'EXCEEDS_OWN_PERMISSIONS' };
  const assign = (to: string, ...roleIds: string[]) =>
    auth.steps.changeRoles({ operationId: randomUUID(), memberId: to, roleIds, permit: permit('role.assign', forbids) });
  await t.throwsAsync(assign(admin, 'admin', forbids), refused);
  await t.notThrowsAsync(assign(await auth.member(), forbids));
  const [policy] = (await auth.store.roles.findOne({ _id: forbids }))?.policies ?? [];
  const attachIt = () =>
    auth.steps.attachPolicy({ operationId: randomUUID(), roleId: others, policy, permit: permit('role.attach-policy', others) });
  await give(auth, admin, others);
  await t.throwsAsync(attachIt(), refused);
  await give(auth, admin);
  await t.notThrowsAsync(attachIt());
});

test('who is forbidden a part of what it holds gives it to nobody without that', async (t) => {
  const [permits, forbids] = [policyOf(PERMIT), policyOf('forbid (principal, action, resource == Musubi::Member::"m1");')];
  const elsewhere = policyOf('forbid (principal, action == Musubi::Action::"job.cancel", resource);');
  const own = policyOf('forbid (principal, action, resource) when { principal == Musubi::Member::"m1" };');
  const holding = (...policies: (typeof permits)[]) => ({
    isAdmin: false,
    memberId: randomUUID(),
    action: 'role.assign',
    otherTenures: async () => [],
    holdsThere: async () => false,
    leadsThere: async () => false,
    readable: async () => new Set<string>(),
    roles: async () => policies.map((policy) => ({ _id: randomUUID(), version: 1, policies: [policy] })),
  });
  const refused = { code: 'EXCEEDS_OWN_PERMISSIONS' };
  await t.throwsAsync(requireHeld(holding(permits, forbids), [permits]), refused);
  await t.notThrowsAsync(requireHeld(holding(permits, forbids), [permits], [permits, forbids]), 'it is forbidden there, too');
  await t.notThrowsAsync(requireHeld(holding(permits, forbids), [forbids]));
  await t.notThrowsAsync(requireHeld(holding(forbids, elsewhere, own), [forbids, own]), 'what forbids allows nobody more');
  await t.notThrowsAsync(requireHeld(holding(permits, elsewhere), [permits]), 'it is about something else');
  await t.throwsAsync(requireHeld(holding(permits, own), [permits], [permits, own]), refused, 'it binds the author only');
  const everything = policyOf('permit (principal, action, resource);');
  await t.throwsAsync(requireHeld(holding(everything, elsewhere), [everything]), refused, 'a part of it is that');
});

test.serial('what somebody attaches to a role of its own it must hold before', async (t) => {
  const { auth, role } = await alone(t);
  const roleId = await role('permit (principal, action == Musubi::Action::"role.attach-policy", resource);');
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId, roleIds: [roleId] });
  const { sessionId } = await auth.accessTokens.verify((await logIn(auth, loginOf(loginId))).accessToken);
  const resource = { type: 'Role', id: roleId, ownerId: '' };
  const permit = auth.permits.seal({ memberId, sessionId, action: 'role.attach-policy', resource });
  const policy = policyOf(PERMIT);
  const attaching = auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy, permit });
  await t.throwsAsync(attaching, { code: 'EXCEEDS_OWN_PERMISSIONS' });
  t.is((await auth.store.roles.findOne({ _id: roleId }))?.policies.length, 1);
});

test.serial('who is no administrator makes none, and lowers none', async (t) => {
  const { auth, admin, role } = await alone(t);
  await auth.member({ roleIds: ['admin'] });
  const all = await role('permit (principal, action, resource);');
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId, roleIds: [all] });
  const { sessionId } = await auth.accessTokens.verify((await logIn(auth, loginOf(loginId))).accessToken);
  const resource = { type: 'Role', id: 'admin', ownerId: '' };
  const permit = auth.permits.seal({ memberId, sessionId, action: 'role.assign', resource });
  const change = (to: string, roleIds: string[]) =>
    auth.steps.changeRoles({ operationId: randomUUID(), memberId: to, roleIds, permit });
  const refused = { code: 'EXCEEDS_OWN_PERMISSIONS' };
  await t.throwsAsync(change(memberId, [all, 'admin']), refused);
  await t.throwsAsync(change(admin, []), refused);
  t.deepEqual((await auth.store.members.findOne({ _id: admin }))?.roleIds, ['admin']);
});

/** One who is no administrator, with what it may show for what it does. */
async function author(auth: TestAuth, ...roleIds: string[]) {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId, roleIds });
  const { sessionId } = await auth.accessTokens.verify((await logIn(auth, loginOf(loginId))).accessToken);
  const permit = (action: string, type: 'Role' | 'Policy', id: string) =>
    auth.permits.seal({ memberId, sessionId, action, resource: { type, id, ownerId: '' } });
  return { memberId, permit };
}
const MANAGING =
  'permit (principal, action in [Musubi::Action::"role.assign", Musubi::Action::"role.attach-policy", ' +
  'Musubi::Action::"role.detach-policy", Musubi::Action::"role.delete", Musubi::Action::"policy.create", ' +
  'Musubi::Action::"policy.update"], resource);';
const EXCEEDS = { code: 'EXCEEDS_OWN_PERMISSIONS' };

test.serial('who is no administrator takes away nothing that forbids, in whatever way', async (t) => {
  const { auth, role } = await alone(t);
  const forbids = await role('forbid (principal, action == Musubi::Action::"member.delete", resource);');
  const { permit } = await author(auth, await role(MANAGING), forbids);
  const [policy] = (await auth.store.roles.findOne({ _id: forbids }))?.policies ?? [];
  const of = { operationId: randomUUID(), roleId: forbids };
  const detach = { ...of, policyId: policy?.policyId ?? '', permit: permit('role.detach-policy', 'Role', forbids) };
  await t.throwsAsync(auth.steps.detachPolicy(detach), EXCEEDS);
  await t.throwsAsync(auth.steps.removeRole({ ...of, permit: permit('role.delete', 'Role', forbids) }), EXCEEDS);
  const holder = await auth.member({ roleIds: [forbids] });
  const lower = { operationId: randomUUID(), memberId: holder, roleIds: [], permit: permit('role.assign', 'Role', forbids) };
  await t.throwsAsync(auth.steps.changeRoles(lower), EXCEEDS);
  t.is((await auth.store.roles.findOne({ _id: forbids }))?.policies.length, 1);
  t.deepEqual((await auth.store.members.findOne({ _id: holder }))?.roleIds, [forbids]);
});

test.serial('who is no administrator writes no Cedar, and changes nothing that a role carries', async (t) => {
  const { auth, role } = await alone(t);
  const carrying = await role(PERMIT);
  const { permit } = await author(auth, await role(MANAGING), carrying);
  const [policy] = (await auth.store.roles.findOne({ _id: carrying }))?.policies ?? [];
  const change = (roleIds: string[], raw: boolean) =>
    auth.steps.changePolicy({ operationId: randomUUID(), policy, roleIds, raw, permit: permit('policy.create', 'Policy', '') });
  await t.throwsAsync(change([], true), EXCEEDS);
  await t.throwsAsync(change([carrying], false), EXCEEDS);
  await t.notThrowsAsync(change([], false), 'in the simple form, carried by nobody');
});

test.serial('what who gets it holds already, or the role carries, binds it as it binds who gives', async (t) => {
  const { auth, role } = await alone(t);
  const [permits, forbids] = [await role(PERMIT), await role('forbid (principal, action, resource == Musubi::Member::"m1");')];
  const { permit } = await author(auth, await role(MANAGING), permits, forbids);
  const assign = (memberId: string, ...roleIds: string[]) =>
    auth.steps.changeRoles({ operationId: randomUUID(), memberId, roleIds, permit: permit('role.assign', 'Role', permits) });
  await t.throwsAsync(assign(await auth.member(), permits), EXCEEDS);
  await t.notThrowsAsync(assign(await auth.member({ roleIds: [forbids] }), forbids, permits));
  const policyIn = async (roleId: string) => (await auth.store.roles.findOne({ _id: roleId }))?.policies[0];
  const [policy, bound] = [await policyIn(permits), await policyIn(forbids)];
  const empty = await role();
  const attaching = (roleId: string) =>
    auth.steps.attachPolicy({
      ...{ operationId: randomUUID(), roleId, policy },
      permit: permit('role.attach-policy', 'Role', roleId),
    });
  await t.throwsAsync(attaching(empty), EXCEEDS);
  await auth.steps.attachPolicy({ operationId: randomUUID(), roleId: empty, policy: bound });
  await t.notThrowsAsync(attaching(empty));
});

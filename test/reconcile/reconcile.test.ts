import { isDeepStrictEqual } from 'node:util';
import anyTest, { type ExecutionContext } from 'ava';
import { unavailable } from '#platform/errors.ts';
import { sql } from '#platform/postgres/database.ts';
import { newId } from '#platform/validation/id.ts';
import { loginOf as sessionOf } from '../../services/auth/auth.fixture.ts';
import type { Member } from '../../services/auth/domain.ts';
import { logIn } from '../../services/auth/rpcs/log-in.ts';
import type { AccessKind, Kind } from '../../worker/reconcile/drift.ts';
import { inWords } from '../../worker/reconcile/findings.ts';
import { driftFound } from '../../worker/reconcile/metrics.ts';
import { type Progress, reconcile } from '../../worker/reconcile/reconcile.ts';
import { type Access, loginOf, openAccess, roleOf, there } from './reconcile.fixture.ts';

// Each way in which Auth can differ from Member and Role, planted in the stores.

// One after the other: each opens databases, and much of that at once is too much for a small machine.
const test = anyTest.serial;

const system = async (t: ExecutionContext): Promise<Access> => {
  const access = await openAccess();
  t.teardown(access.close);
  return access;
};

/** Where all agrees in the end. */
let shared: Access;
test.before(async () => {
  shared = await openAccess();
  await shared.member(['admin']);
});
test.after.always(() => shared?.close());

test('what agrees is left alone, and nothing is waited for', async (t) => {
  const access = await system(t);
  await access.member(['admin']);
  const { memberId } = await access.member();
  await access.role();
  const before = there(await loginOf(access, memberId));
  const report = await reconcile({ ...access.context, settleMs: 3_600_000 });
  t.deepEqual(report, {
    compared: { logins: 2, members: 2, roles: 3, groups: 1, memberships: 2 },
    repaired: {},
    left: [],
    leftInAll: 0,
  });
  t.deepEqual(await loginOf(access, memberId), before);
  t.is(inWords(report), 'Compared 2 logins, 2 members, 3 roles, 1 groups and 2 memberships. All agreed.');
  t.deepEqual([access.sockets, access.lines], [[], []]);
});

/** What is planted for a member or role, and what is found of it. (Groups: reconcile-groups.test.ts.) */
const PLANTED: Record<
  AccessKind,
  (access: Access) => Promise<{ id: string; sockets?: string; agrees: () => Promise<boolean | undefined> }>
> = {
  async 'extra-role'(access) {
    const { memberId } = await access.member();
    await access.auth.store.members.updateOne({ _id: memberId }, { $push: { roleIds: 'admin' } });
    const agrees = async () => (await loginOf(access, memberId))?.roleIds.join() === 'member';
    return { id: memberId, sockets: `narrowed ${memberId}`, agrees };
  },
  async 'missing-role'(access) {
    const { roleId } = await access.role();
    const { memberId } = await access.member(['member', roleId]);
    await access.auth.store.members.updateOne({ _id: memberId }, { $set: { roleIds: ['member'] } });
    const agrees = async () => (await loginOf(access, memberId))?.roleIds.includes(roleId);
    return { id: memberId, sockets: `narrowed ${memberId}`, agrees };
  },
  async 'unknown-member'(access) {
    const { memberId } = await access.member();
    await access.memberDb.query(sql`delete from members where member_id = ${memberId}`);
    const agrees = async () => (await loginOf(access, memberId))?.status === 'suspended';
    return { id: memberId, sockets: `closed ${memberId}`, agrees };
  },
  async 'missing-login'(access) {
    const { memberId } = await access.member();
    await access.auth.store.members.deleteOne({ _id: memberId });
    return { id: memberId, agrees: async () => false };
  },
  async 'login-name'(access) {
    const { memberId, loginId } = await access.member();
    await access.auth.store.members.updateOne({ _id: memberId }, { $set: { loginId: 'Mallory', loginKey: 'mallory' } });
    const agrees = async () =>
      (await access.auth.store.members.findOne({ _id: memberId, loginId, loginKey: loginId.toLowerCase() })) !== null;
    return { id: memberId, agrees };
  },
  async 'open-login'(access) {
    const { memberId, loginId } = await access.member();
    const { members, mongo } = access.auth.store;
    await logIn(access.auth, { ...sessionOf(loginId), password: 'correct horse battery' });
    await access.memberDb.query(sql`update members set status = 'SUSPENDED', suspended_at = now() where member_id = ${memberId}`);
    const told = { aggregateid: memberId, type: 'auth.login-suspended' };
    const agrees = async () =>
      (await loginOf(access, memberId))?.status === 'suspended' &&
      (await members.findOne({ _id: memberId }))?.sessions.length === 0 &&
      (await mongo.db.collection('outbox').countDocuments(told)) === 1;
    return { id: memberId, sockets: `closed ${memberId}`, agrees };
  },
  async 'closed-login'(access) {
    const { memberId } = await access.member();
    await access.auth.store.members.updateOne({ _id: memberId }, { $set: { status: 'suspended' } });
    return { id: memberId, agrees: async () => (await loginOf(access, memberId))?.status === 'active' };
  },
  async 'unknown-role'(access) {
    const roleId = newId();
    await access.auth.role(roleId, ['permit (principal, action, resource);']);
    return { id: roleId, sockets: 'narrowed all', agrees: async () => (await roleOf(access, roleId)) === undefined };
  },
  async 'absent-role'(access) {
    const { roleId, policyId } = await access.role();
    const before = there(await roleOf(access, roleId));
    await access.auth.store.roles.deleteOne({ _id: roleId });
    const agrees = async () => {
      const now = await roleOf(access, roleId);
      return now?.policies[0]?.policyId === policyId && now.version > before.version;
    };
    return { id: roleId, sockets: 'narrowed all', agrees };
  },
  async policies(access) {
    const { roleId } = await access.role();
    const before = there(await roleOf(access, roleId));
    await access.auth.store.roles.updateOne(
      { _id: roleId },
      { $set: { 'policies.0.cedar': 'permit (principal, action, resource);' } },
    );
    const agrees = async () => {
      const now = await roleOf(access, roleId);
      return now?.policies[0]?.cedar === before.policies[0]?.cedar && (now?.version ?? 0) > before.version;
    };
    return { id: roleId, sockets: 'narrowed all', agrees };
  },
};

for (const [kind, plant] of Object.entries(PLANTED)) {
  test(`${kind} is found, put right once, and told`, async (t) => {
    const access = shared;
    access.lines.length = 0;
    const outcome = kind === 'missing-login' ? 'left' : 'repaired';
    const told = async () =>
      (await driftFound.get()).values.find(({ labels }) => isDeepStrictEqual({ ...labels }, { kind, outcome }));
    const before = (await told())?.value ?? 0;
    const { id, sockets, agrees } = await plant(access);
    t.false(await agrees());
    const report = await reconcile(access.context);
    if (outcome === 'left') {
      t.deepEqual(report.left, [{ kind: kind as Kind, id, code: 'LOGIN_NOT_FOUND' }]);
      t.true(inWords(report).includes(id));
    } else {
      t.deepEqual(report.repaired, { [kind]: 1 });
      t.true(await agrees());
    }
    t.deepEqual(access.sockets, sockets ? [sockets] : []);
    t.deepEqual(
      access.lines.map(({ id, kinds }) => [id, kinds]),
      [[id, [kind]]],
    );
    t.true(((await told())?.value ?? 0) > before);
    access.sockets.length = 0;
    t.deepEqual((await reconcile(access.context)).repaired, {}, 'it agrees now');
    t.deepEqual(access.sockets, []);
    if (outcome === 'left') await access.memberDb.query(sql`delete from members where member_id = ${id}`);
  });
}

test('what is planted a second time, as it was the first time, is taken back a second time', async (t) => {
  const access = shared;
  const roleId = newId();
  for (let i = 0; i < 2; i++) {
    await access.auth.role(roleId, ['permit (principal, action, resource);']);
    t.deepEqual((await reconcile(access.context)).repaired, { 'unknown-role': 1 });
    t.is(await roleOf(access, roleId), undefined);
  }
});

test('who was given all and closed all others out is lowered again, and nobody is locked out for it', async (t) => {
  const access = await system(t);
  // Who is to be lowered is found first.
  const [mallory, admin] = [await access.member(), await access.member(['admin'])];
  const { members } = access.auth.store;
  await members.updateOne({ _id: admin.memberId }, { $set: { status: 'suspended' } });
  await members.updateOne({ _id: mallory.memberId }, { $push: { roleIds: 'admin' } });
  t.deepEqual((await reconcile(access.context)).repaired, { 'closed-login': 1, 'extra-role': 1 });
  t.is((await loginOf(access, admin.memberId))?.status, 'active');
  t.deepEqual((await loginOf(access, mallory.memberId))?.roleIds, ['member']);
});

test('the last administrator that can log in is left, and told of', async (t) => {
  const access = await system(t);
  const { memberId } = await access.member();
  await access.auth.store.members.updateOne({ _id: memberId }, { $push: { roleIds: 'admin' } });
  const { repaired, left, leftInAll } = await reconcile(access.context);
  t.deepEqual(
    { repaired, left, leftInAll },
    {
      repaired: {},
      left: [{ kind: 'extra-role', id: memberId, code: 'LAST_ADMIN' }],
      leftInAll: 1,
    },
  );
  t.true((await loginOf(access, memberId))?.roleIds.includes('admin'));
});

test('a run that is broken off goes on, over more than a page, and does nothing twice', async (t) => {
  const access = await system(t);
  await access.member(['admin']);
  const { members } = access.auth.store;
  const template = await access.member();
  const one = (await members.findOne<Member>({ _id: template.memberId })) as Member;
  const ids = Array.from({ length: 1_200 }, () => newId());
  await members.insertMany(
    ids.map((_id) => ({ ...one, _id, loginId: `m.${_id}`, loginKey: `m.${_id}`, roleIds: ['member', 'admin'] })),
  );
  await access.memberDb.query(sql`
    insert into members (member_id, login_id, display_name, email, status, version, created_at, updated_at)
    select id, 'm.' || id, 'M', id || '@example.com', 'ACTIVE', 2, now(), now() from unnest(${ids}::text[]) id`);
  await access.roleDb.query(sql`
    insert into member_role_versions (member_id, version) select id, 1 from unnest(${ids}::text[]) id`);
  await access.roleDb.query(
    sql`insert into member_roles (member_id, role_id) select id, 'member' from unnest(${ids}::text[]) id`,
  );

  await access.groupDb.query(sql`
    insert into memberships (group_id, member_id, joined_at, version) select 'root', id, now(), 1 from unnest(${ids}::text[]) id`);

  const { auth } = access.context;
  let last: Progress | undefined;
  let calls = 0;
  const correctLogin = async (request: Parameters<typeof auth.correctLogin>[0]) => {
    if (++calls === 700) throw unavailable('STORE_UNAVAILABLE', 'away');
    return await auth.correctLogin(request);
  };
  const progressed = (progress: Progress): void => {
    // As Temporal keeps it.
    last = JSON.parse(JSON.stringify(progress)) as Progress;
  };
  const broken = { ...access.context, auth: { ...auth, correctLogin }, progressed };
  await t.throwsAsync(reconcile(broken), { code: 'STORE_UNAVAILABLE' });
  const { repaired } = await reconcile(broken, last);
  t.deepEqual(repaired, { 'extra-role': 1_200 }, 'what was done before is told, too');
  t.is(await members.countDocuments({ roleIds: 'admin' }), 1);
  t.is(calls, 1_201, 'what was put right is not put right again');
  t.deepEqual((await reconcile(access.context)).repaired, {});
});

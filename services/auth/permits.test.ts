import { randomBytes, randomUUID } from 'node:crypto';
import test from 'ava';
import { Secret } from '#platform/process/config.ts';
import { requirePermit } from './access.ts';
import { loginOf, openTestAuth, type TestAuth } from './auth.fixture.ts';
import { simulate } from './explain.ts';
import { type Permit, Permits } from './permits.ts';
import { logIn } from './rpcs/log-in.ts';
import { logOut } from './rpcs/log-out.ts';
import { refreshSession } from './rpcs/refresh-session.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  await auth.role('everything', ['permit (principal, action, resource);']);
  await auth.role('itself', [
    'permit (principal, action == Musubi::Action::"member.delete", resource) when { resource == principal };',
  ]);
});
test.after.always(() => auth?.close());

const REVOKED = { code: 'PERMISSION_REVOKED' };
const resource = { type: 'Member', id: randomUUID(), ownerId: '' };

/** A member that is logged in, with a permit of its session. */
async function permitted(
  roleId = 'everything',
  what: Pick<Permit, 'action' | 'resource'> = { action: 'member.update', resource },
) {
  const loginId = `member.${randomUUID()}`;
  const memberId = await auth.member({ loginId, roleIds: [roleId] });
  const tokens = await logIn(auth, loginOf(loginId));
  const { sessionId } = await auth.accessTokens.verify(tokens.accessToken);
  return { ...tokens, sessionId, permit: auth.permits.seal({ memberId, sessionId, ...what }) };
}

test('a permit opens as it was sealed, for this deployment only, and shows nothing', (t) => {
  const permit = { memberId: randomUUID(), sessionId: randomUUID(), action: 'member.update', resource };
  const sealed = auth.permits.seal(permit);
  t.deepEqual(auth.permits.open(sealed), permit);
  t.not(auth.permits.seal(permit), sealed, 'that two are alike is not to be seen');
  for (const tenures of [0, 12]) t.is(auth.permits.open(auth.permits.seal({ ...permit, tenures })).tenures, tenures);
  for (const text of [permit.memberId, 'member.update'])
    t.false(Buffer.from(sealed.split('.').at(-1) ?? '', 'base64').includes(text) || sealed.includes(text));
  const [iv, tag, data = ''] = sealed.split('.');
  const forged = [
    '',
    'x',
    `${iv}.${tag}.`,
    `${iv}.${tag}.${Buffer.from('["a","b","c","d","e","f"]').toString('base64')}`,
    `${iv}.${tag?.slice(0, 4)}.${data}`,
    new Permits(new Secret(randomBytes(32).toString('base64'))).seal(permit),
  ];
  for (const text of forged) t.throws(() => auth.permits.open(text), { code: 'INVALID_ARGUMENT' }, text);
});

test('what is taken away between the command and its pivot refuses the pivot: a role, a policy, the session, the member', async (t) => {
  const ways: [string, (one: Awaited<ReturnType<typeof permitted>>) => Promise<unknown>][] = [
    ['its role', ({ memberId }) => auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: [] })],
    ['its session', ({ accessToken }) => logOut(auth, accessToken)],
    ['its login', ({ memberId }) => auth.steps.suspendLogin({ operationId: randomUUID(), memberId })],
    [
      'the member',
      async ({ memberId }) => {
        await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
        await auth.steps.removeLogin({ operationId: randomUUID(), memberId });
      },
    ],
  ];
  for (const [what, takeAway] of ways) {
    const one = await permitted();
    await t.notThrowsAsync(requirePermit(auth, one.permit), what);
    await takeAway(one);
    await t.throwsAsync(requirePermit(auth, one.permit), REVOKED, what);
  }
  await auth.role('changed', ['permit (principal, action, resource);'], 1);
  const { permit } = await permitted('changed');
  await auth.role('changed', ['permit (principal, action == Musubi::Action::"member.read", resource);'], 2);
  await t.throwsAsync(requirePermit(auth, permit), REVOKED);
});

test('what a permit is about is in the roles that it has at the pivot, and in those that it has where it is simulated', async (t) => {
  const staff = randomUUID();
  await auth.role(staff, []);
  await auth.role('leads', [
    `permit (principal, action == Musubi::Action::"member.update", resource in Musubi::Role::"${staff}");`,
  ]);
  const target = await auth.member();
  const about = { type: 'Member', id: target, ownerId: '' };
  const { permit, memberId } = await permitted('leads', { action: 'member.update', resource: about });
  const { accessToken } = await permitted();
  const asked = { accessToken, memberId, action: 'member.update', resource: about };
  const give = (roleIds: string[]) => auth.steps.changeRoles({ operationId: randomUUID(), memberId: target, roleIds });
  await t.throwsAsync(requirePermit(auth, permit), REVOKED);
  t.false((await simulate(auth, asked)).allowed);
  await give([staff]);
  await t.notThrowsAsync(requirePermit(auth, permit));
  t.deepEqual(await simulate(auth, asked), {
    allowed: true,
    forbidden: false,
    policies: [{ roleId: 'leads', policyId: 'leads.0', ties: [] }],
    positions: [],
  });
  await give([]);
  await t.throwsAsync(requirePermit(auth, permit), REVOKED);
});

test('a session that goes on with new tokens permits what it did', async (t) => {
  const { permit, refreshToken } = await permitted();
  await refreshSession(auth, refreshToken);
  await t.notThrowsAsync(requirePermit(auth, permit));
});

test('every step that may be a pivot is refused by it, changes nothing, and answers a repeat as at first', async (t) => {
  const { permit, memberId, accessToken } = await permitted();
  const target = await auth.member({ roleIds: ['itself'] });
  const read = () => auth.store.members.findOne({ _id: target });
  const steps = {
    confirmPermit: (operationId: string) => auth.steps.confirmPermit({ operationId, permit }),
    grantRoles: (operationId: string) => auth.steps.grantRoles({ operationId, permit, memberId: target, roleIds: [] }),
    rebindLogin: (operationId: string) =>
      auth.steps.rebindLogin({ operationId, permit, memberId: target, loginId: `new.${target}` }),
    suspendLogin: (operationId: string) => auth.steps.suspendLogin({ operationId, permit, memberId: target }),
    reinstateLogin: (operationId: string) => auth.steps.reinstateLogin({ operationId, permit, memberId: target }),
  };
  const first = randomUUID();
  await steps.confirmPermit(`${first}/confirmPermit`);
  await logOut(auth, accessToken);
  const before = await read();
  for (const [name, step] of Object.entries(steps)) await t.throwsAsync(step(`${randomUUID()}/${name}`), REVOKED, name);
  t.deepEqual(await read(), before);
  await t.notThrowsAsync(steps.confirmPermit(`${first}/confirmPermit`), 'it had passed before');
  await auth.steps.undo({ operationId: `${first}/confirmPermit` });
  await t.throwsAsync(steps.confirmPermit(`${first}/confirmPermit`), { code: 'OPERATION_UNDONE' });
  await t.notThrowsAsync(auth.steps.confirmPermit({ operationId: randomUUID() }), 'the system itself needs none');
  t.truthy(memberId);
});

test('who deletes itself is not refused because its login is closed for that, but it is for anything else', async (t) => {
  const loginId = `member.${randomUUID()}`;
  const memberId = await auth.member({ loginId, roleIds: ['itself'] });
  const { accessToken } = await logIn(auth, loginOf(loginId));
  const { sessionId } = await auth.accessTokens.verify(accessToken);
  const own = { type: 'Member', id: memberId, ownerId: '' };
  const permit = auth.permits.seal({ memberId, sessionId, action: 'member.delete', resource: own });
  await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
  const confirm = (closedMemberId?: string) =>
    auth.steps.confirmPermit({ operationId: randomUUID(), permit, ...(closedMemberId ? { closedMemberId } : {}) });
  await t.throwsAsync(confirm(), REVOKED);
  await t.throwsAsync(confirm(randomUUID()), REVOKED);
  await t.notThrowsAsync(confirm(memberId));
  await auth.role('itself', ['permit (principal, action == Musubi::Action::"member.read", resource);'], 2);
  await t.throwsAsync(confirm(memberId), REVOKED, 'a role that was taken away counts');
});

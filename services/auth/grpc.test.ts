import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { byTests, lettingTestsIn } from '#platform/grpc/callers.fixture.ts';
import { connectPeer, type Peer } from '#platform/grpc/client.ts';
import { serveGrpc } from '#platform/grpc/server.ts';
import { createLogger } from '#platform/process/log.ts';
import { metrics } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { freshLogin, loginOf, openTestAuth, PASSWORD, type TestAuth, triedAgain } from './auth.fixture.ts';
import { AUTH_LIMITS, authHandlers } from './grpc.ts';
import { HashQueue } from './hash-queue.ts';

const callers = lettingTestsIn('auth');
let server: TestAuth;
let auth: Peer<typeof AuthServiceService>;
test.before(async () => {
  server = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  const { lifecycle } = server;
  const listen = { host: '127.0.0.1', port: 0 };
  const port = await serveGrpc(
    { listen, callers, log: createLogger('auth', 'error'), lifecycle, limits: AUTH_LIMITS },
    AuthServiceService,
    authHandlers(server, server.keys),
  );
  auth = triedAgain(connectPeer(`127.0.0.1:${port}`, AuthServiceService, lifecycle, byTests('auth')));
});
test.after.always(() => server?.close());

const policy = (cedar: string) => ({ policyId: 'p', name: '', cedar });
const role = (roleId: string, cedar: string, version = 1) => ({
  roleId,
  name: '',
  description: '',
  builtIn: false,
  policies: [policy(cedar)],
  version,
  createdAt: undefined,
  updatedAt: undefined,
});

test('from a staged password to a permission and back to nothing', async (t) => {
  await auth.putRoles({ roles: [role('all', 'permit (principal, action, resource);')] });
  const [memberId, loginId] = [randomUUID(), freshLogin()];
  const { passwordRef } = await auth.stagePassword({ password: PASSWORD });
  await auth.bindLogin({ operationId: `${memberId}/bind`, memberId, loginId, passwordRef });
  await auth.grantRoles({ operationId: `${memberId}/grant`, memberId, roleIds: ['all'] });

  const tokens = await auth.login(loginOf(loginId));
  t.like(tokens, { memberId, expiresIn: 300 });
  const { accessToken } = await auth.refresh({ refreshToken: tokens.refreshToken });
  const who = await auth.authenticate({ accessToken });
  t.is(who.memberId, memberId);
  t.true(who.expiresAt > Date.now() / 1_000);
  t.true(who.expiresIn > 0 && who.expiresIn <= 300);
  const resource = { type: 'Member', id: memberId, ownerId: '' };
  t.like(await auth.authorize({ accessToken, action: 'member.update', resource }), {
    memberId,
    sessionId: who.sessionId,
    permit: undefined,
    seen: undefined,
  });
  const filtered = await auth.authorize({ accessToken, action: 'member.list', resource, filtered: true });
  t.like(filtered, { memberId, sessionId: who.sessionId, seen: { kind: { $case: 'always', value: true } } });
  await t.throwsAsync(auth.authorize({ accessToken, action: 'member.update', resource, filtered: true }), {
    code: 'INVALID_ARGUMENT',
    message: /filtered/,
  });
  const { permit } = await auth.authorize({ accessToken, action: 'member.update', resource, wantsPermit: true });
  await auth.confirmPermit({ operationId: `${memberId}/confirm`, permit });

  const renamed = freshLogin();
  await auth.rebindLogin({ operationId: `${memberId}/rebind`, memberId, loginId: renamed });
  await t.throwsAsync(auth.login(loginOf(loginId)), { code: 'BAD_CREDENTIALS' });
  await t.notThrowsAsync(auth.login(loginOf(renamed)));

  await auth.logout({ accessToken });
  await t.throwsAsync(auth.authorize({ accessToken, action: 'member.update', resource }), { code: 'SESSION_REVOKED' });
  await auth.suspendLogin({ operationId: `${memberId}/suspend`, memberId });
  await auth.removeLogin({ operationId: `${memberId}/remove`, memberId });
  t.is(await server.store.members.countDocuments({ _id: memberId }), 0);
});

test('all roles may have a megabyte of policies', async (t) => {
  const cedar = `permit (principal, action, resource); // ${'x'.repeat(10_000)}`;
  const roles = Array.from({ length: 100 }, (_, i) => role(`large-${i}`, cedar));
  t.true(JSON.stringify(roles).length > 1_000_000);
  // A hundred are validated: on a busy machine that takes longer than a call may by default.
  await t.notThrowsAsync(auth.putRoles({ roles }, { timeoutMs: 60_000 }));
});

test('the public keys are a JSON Web Key Set', async (t) => {
  const { keys } = JSON.parse((await auth.getJwks({})).jwksJson) as { keys: unknown[] };
  t.like(keys[0], { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' });
});

test('refusals name what is wrong', async (t) => {
  const bad = await t.throwsAsync(auth.putRoles({ roles: [role('bad', 'permit all')] }), { code: 'INVALID_POLICY' });
  t.like(bad, { fields: [{ field: 'roles[0].policies[0].cedar' }] });
  await t.throwsAsync(auth.putRoles({ roles: [role('', 'permit (principal, action, resource);')] }), {
    code: 'INVALID_ARGUMENT',
  });
  t.like(await t.throwsAsync(auth.stagePassword({ password: 'short' }), { code: 'WEAK_PASSWORD' }), {
    fields: [{ field: 'password' }],
  });
  await t.throwsAsync(auth.authorize({ accessToken: 'x', action: 'member.read', resource: undefined }), {
    code: 'INVALID_ARGUMENT',
  });
  const long = { type: 'Member', id: 'x'.repeat(201), ownerId: '' };
  t.like(await t.throwsAsync(auth.authorize({ accessToken: 'x', action: 'member.read', resource: long })), {
    code: 'INVALID_ARGUMENT',
    fields: [{ field: 'resource.id' }],
  });
  const checks = [{ action: 'x'.repeat(201), resource: { type: 'Member', id: '', ownerId: '' } }];
  t.like(await t.throwsAsync(auth.check({ accessToken: 'x', checks })), { fields: [{ field: 'checks[0].action' }] });
  for (const type of ['Member', 'Role', 'Policy', 'System', 'Unheard'])
    t.like(
      await t.throwsAsync(auth.authorize({ accessToken: 'x', action: 'a', resource: { type, id: 'x', ownerId: 'me' } })),
      { fields: [{ field: 'resource.ownerId' }] },
      `who owns a ${type} is not the caller's to say`,
    );
  const roleIds = Array.from({ length: 101 }, () => 'member');
  t.like(await t.throwsAsync(auth.grantRoles({ operationId: randomUUID(), memberId: randomUUID(), roleIds })), {
    fields: [{ field: 'roleIds' }],
  });
  for (const memberId of ['', 'm', randomUUID().toUpperCase()])
    t.like(await t.throwsAsync(auth.removeLogin({ operationId: randomUUID(), memberId })), { fields: [{ field: 'memberId' }] });
  await t.throwsAsync(auth.authenticate({ accessToken: 'x' }), { code: 'TOKEN_INVALID' });
  await t.throwsAsync(auth.refresh({ refreshToken: 'x' }), { code: 'REFRESH_TOKEN_INVALID' });
  await t.throwsAsync(auth.undo({ operationId: '' }), { code: 'INVALID_ARGUMENT' });
});

test('undo takes back what was done, whatever it was', async (t) => {
  const [memberId, operationId] = [randomUUID(), randomUUID()];
  const { passwordRef } = await auth.stagePassword({ password: PASSWORD });
  const bind = () => auth.bindLogin({ operationId, memberId, loginId: freshLogin(), passwordRef });
  await bind();
  await auth.undo({ operationId });
  t.is(await server.store.members.countDocuments({ _id: memberId }), 0);
  await t.throwsAsync(bind(), { code: 'OPERATION_UNDONE' });
});

test.serial('a password whose gateway left is neither hashed nor staged', async (t) => {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  // The only place is taken, so the next one waits.
  const queue = new HashQueue(1, 10, 600_000);
  const held = queue.run(['unknown', 'held'], async () => {
    begun.resolve();
    await go.promise;
  });
  const busy = await server.sibling({ queue });
  t.teardown(() => busy.lifecycle.stop('done'));
  await begun.promise;
  const port = await serveGrpc(
    { listen: { host: '127.0.0.1', port: 0 }, callers, log: createLogger('auth', 'error'), lifecycle: busy.lifecycle },
    AuthServiceService,
    authHandlers(busy, busy.keys),
  );
  const peer = connectPeer(`127.0.0.1:${port}`, AuthServiceService, busy.lifecycle, byTests('auth'));
  const staged = () => busy.store.secrets.countDocuments();
  const before = await staged();
  const waiting = async () =>
    (await metrics.getSingleMetric('musubi_auth_hash_queue')?.get())?.values.find(({ labels }) => labels.lane === 'registration')
      ?.value ?? 0;
  const leaving = new AbortController();
  const call = peer.stagePassword({ password: PASSWORD }, { signal: leaving.signal });
  await until(async () => (await waiting()) !== 0);
  leaving.abort();
  await t.throwsAsync(call);
  for (let i = 0; i < 500 && (await waiting()) > 0; i++) await sleep(10);
  t.is(await waiting(), 0, 'its place is free at once');
  go.resolve();
  await held;
  t.is(await staged(), before);
});

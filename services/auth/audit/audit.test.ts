import { randomUUID } from 'node:crypto';
import test from 'ava';
import { transaction } from '#platform/operations/mongo.ts';
import type { AuditEvent, AuditFilter } from '#proto/musubi/auth/v1/auth.ts';
import { authorize } from '../access.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { authHandlers } from '../grpc.ts';
import { endOwnSession } from '../rpcs/end-session.ts';
import { listAuditEvents } from '../rpcs/list-audit-events.ts';
import { logIn } from '../rpcs/log-in.ts';
import { logOut } from '../rpcs/log-out.ts';
import { refreshSession } from '../rpcs/refresh-session.ts';
import { check } from './check.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  await auth.role('admin', ['permit (principal, action, resource);']);
  await auth.role('member', ['permit (principal, action == Musubi::Action::"member.read", resource);']);
});
test.after.always(() => auth?.close());

const ADDRESS = '192.0.2.123';
const CLIENT = 'Hanako browser';
const ORIGIN = { address: ADDRESS, client: CLIENT };
const NOTHING: AuditFilter = { memberId: undefined, action: undefined, since: undefined, until: undefined };
const signal = new AbortController().signal;
const call = { signal, deadline: new Date(Date.now() + 600_000) };

/** A member of these roles who is logged in. */
async function someone(roleIds: string[]) {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId, roleIds });
  const tokens = await logIn(auth, { ...loginOf(loginId), source: ADDRESS, userAgent: CLIENT });
  return { ...tokens, memberId, loginId };
}

/** What a saga is given by the gateway. */
async function permitOf(
  accessToken: string,
  action: string,
  resource = { type: 'Member', id: '', ownerId: '' },
): Promise<string> {
  const handlers = authHandlers(auth, auth.keys);
  const asks = { accessToken, action, resource, wantsPermit: true, filtered: undefined, origin: ORIGIN };
  const { permit } = await handlers.authorize(asks, call);
  if (permit === undefined) throw new Error('no permit was given');
  return permit;
}

async function eventsOf(memberId: string, more: Partial<AuditFilter> = {}): Promise<AuditEvent[]> {
  const filter = { ...NOTHING, memberId, ...more };
  return (await listAuditEvents(auth, { filter, pageSize: 100, pageToken: '' })).events;
}

const actions = (events: AuditEvent[]): string[] => events.map(({ action, outcome }) => `${action} ${outcome}`);

test('who did what to whom, when, from where, in which session, by which job and trace', async (t) => {
  const admin = await someone(['admin']);
  const hana = await auth.member();
  const jobId = randomUUID();
  const before = Date.now();
  const permit = await permitOf(admin.accessToken, 'member.suspend', { type: 'Member', id: hana, ownerId: '' });
  await auth.steps.suspendLogin({ operationId: `${jobId}/auth.suspendLogin`, memberId: hana, permit });
  const [event, ...more] = await eventsOf(hana);
  t.is(more.length, 0, 'what the system does to make it is no command');
  if (!event) throw new Error('there is none');
  const { sequence, eventId, at, ...said } = event;
  t.true(sequence > 0 && eventId !== '');
  t.true(at !== undefined && Math.abs(at.getTime() - before) < 60_000);
  const { sessionId, traceId: _, ...rest } = said;
  t.deepEqual(rest, {
    action: 'member.suspend',
    outcome: 'DONE',
    count: undefined,
    actorId: admin.memberId,
    resources: [{ type: 'Member', id: hana }],
    jobId,
    origin: ORIGIN,
    erased: false,
  });
  t.is(sessionId, (await auth.accessTokens.verify(admin.accessToken)).sessionId);
  t.deepEqual(actions(await eventsOf(admin.memberId)), ['member.suspend DONE', 'auth.login DONE'], 'found by who did it, too');
});

test('what had no ID when it was allowed is named by the step, and so is what else it is about', async (t) => {
  const admin = await someone(['admin']);
  const [memberId, roleId] = [await auth.member(), 'editors'];
  await auth.role(roleId, []);
  const role = { type: 'Role', id: roleId, ownerId: '' };
  const assign = await permitOf(admin.accessToken, 'role.assign', role);
  await auth.steps.changeRoles({ operationId: `${randomUUID()}/auth.changeRoles`, memberId, roleIds: [roleId], permit: assign });
  const create = await permitOf(admin.accessToken, 'role.create', { type: 'Role', id: '', ownerId: '' });
  await auth.steps.addRole({ operationId: `${randomUUID()}/auth.addRole`, roleId: 'writers', permit: create });
  const found = await eventsOf(admin.memberId);
  t.deepEqual(
    found.slice(0, 2).map(({ resources }) => resources),
    [
      [{ type: 'Role', id: 'writers' }],
      [
        { type: 'Role', id: roleId },
        { type: 'Member', id: memberId },
      ],
    ],
  );
  t.deepEqual(actions(await eventsOf(memberId)), ['role.assign DONE'], 'found by whom it was done to');
});

test('a pivot that is tried again, also side by side, is one event; one that is refused is none', async (t) => {
  const admin = await someone(['admin']);
  const hana = await auth.member();
  const permit = await permitOf(admin.accessToken, 'member.suspend', { type: 'Member', id: hana, ownerId: '' });
  const request = { operationId: `${randomUUID()}/auth.suspendLogin`, memberId: hana, permit };
  await Promise.allSettled(Array.from({ length: 5 }, () => auth.steps.suspendLogin(request)));
  await auth.steps.suspendLogin(request);
  t.deepEqual(actions(await eventsOf(hana)), ['member.suspend DONE']);

  const refused = { operationId: `${randomUUID()}/auth.rebindLogin`, memberId: randomUUID(), loginId: freshLogin() };
  const other = await permitOf(admin.accessToken, 'member.update', { type: 'Member', id: refused.memberId, ownerId: '' });
  await t.throwsAsync(auth.steps.rebindLogin({ ...refused, permit: other }), { code: 'LOGIN_NOT_FOUND' });
  t.deepEqual(await eventsOf(refused.memberId), []);
});

test('a saga that is undone before its pivot leaves nothing; a pivot that is undone itself is told to be', async (t) => {
  const admin = await someone(['admin']);
  const [before, after] = [await auth.member(), await auth.member()];
  // A deletion closes the login long before its pivot.
  const early = { operationId: `${randomUUID()}/auth.suspendLogin`, memberId: before, permit: undefined };
  await auth.steps.suspendLogin(early);
  await auth.steps.undo({ operationId: early.operationId });
  t.deepEqual(await eventsOf(before), []);

  const permit = await permitOf(admin.accessToken, 'member.suspend', { type: 'Member', id: after, ownerId: '' });
  const operationId = `${randomUUID()}/auth.suspendLogin`;
  await auth.steps.suspendLogin({ operationId, memberId: after, permit });
  await auth.steps.undo({ operationId });
  await auth.steps.undo({ operationId });
  const events = await eventsOf(after);
  t.deepEqual(actions(events), ['member.suspend UNDONE', 'member.suspend DONE']);
  t.is(events[0]?.jobId, events[1]?.jobId);
  const login = await auth.store.members.findOne({ _id: after });
  t.is(login?.status, 'active', 'and what it did is undone as ever');
  // What an earlier release kept for its undo has no mark of ours.
  const old = await auth.member();
  const past = { operationId: `${randomUUID()}/auth.suspendLogin`, memberId: old, permit: undefined };
  await auth.steps.suspendLogin(past);
  await auth.steps.undo({ operationId: past.operationId });
  t.is((await auth.store.members.findOne({ _id: old }))?.status, 'active');
});

test('what the system itself begins is told by its command, and nobody did it', async (t) => {
  const memberId = await auth.member();
  const jobId = randomUUID();
  await auth.steps.grantRoles({ operationId: `${jobId}/auth.grantRoles`, memberId, roleIds: [], permit: 'member.register' });
  t.like(await eventsOf(memberId), [
    { action: 'member.register', outcome: 'DONE', jobId, actorId: undefined, origin: undefined },
  ]);
  for (const none of ['', 'member', 'a.b.c', 'Member.Register', 'member.register '])
    await t.throwsAsync(
      auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: [], permit: none }),
      { code: 'INVALID_ARGUMENT' },
      none,
    );
});

test('built-in roles are put in place by nobody, and told of when that changes something', async (t) => {
  const roleId = `built-in-${randomUUID()}`;
  for (const version of [1, 1, 2, 1]) await auth.role(roleId, [], version);
  const all = await Array.fromAsync(authHandlers(auth, auth.keys).exportAuditEvents({ filter: undefined }, call));
  const told = all.filter(({ resources }) => resources[0]?.id === roleId);
  t.deepEqual(actions(told), ['role.create DONE', 'role.update DONE']);
  t.true(told.every(({ actorId }) => actorId === undefined));
});

test('logins, and all that ends sessions, are told of with where they came from', async (t) => {
  const hana = await someone([]);
  const second = await logIn(auth, { ...loginOf(hana.loginId), source: '192.0.2.9', userAgent: 'x'.repeat(300) });
  const { sessionId } = await auth.accessTokens.verify(second.accessToken);
  await endOwnSession(auth, { accessToken: hana.accessToken, sessionId, origin: ORIGIN });
  await t.throwsAsync(endOwnSession(auth, { accessToken: hana.accessToken, sessionId, origin: ORIGIN }), {
    code: 'SESSION_NOT_FOUND',
  });
  await refreshSession(auth, hana.refreshToken, { origin: ORIGIN });
  const stolen = { origin: { address: '198.51.100.7', client: '' }, now: new Date(Date.now() + 60_000) };
  await t.throwsAsync(refreshSession(auth, hana.refreshToken, stolen), { code: 'REFRESH_TOKEN_REUSED' });
  const third = await logIn(auth, loginOf(hana.loginId));
  await logOut(auth, third.accessToken, ORIGIN);
  await logOut(auth, third.accessToken, ORIGIN);

  const events = await eventsOf(hana.memberId);
  t.deepEqual(actions(events), [
    'auth.logout DONE',
    'auth.login DONE',
    'auth.refresh REFRESH_TOKEN_REUSED',
    'auth.end-session DONE',
    'auth.login DONE',
    'auth.login DONE',
  ]);
  const [out, , reused, ended, again] = events;
  const own = await auth.accessTokens.verify(hana.accessToken);
  t.like(out, { actorId: hana.memberId, origin: ORIGIN });
  t.like(reused, { actorId: undefined, sessionId: undefined, origin: { address: '198.51.100.7' } });
  t.deepEqual(reused?.resources, [
    { type: 'Session', id: own.sessionId },
    { type: 'Member', id: hana.memberId },
  ]);
  t.like(ended, { actorId: hana.memberId, sessionId: own.sessionId, resources: [{ type: 'Session', id: sessionId }] });
  t.like(again, { sessionId, origin: { address: '192.0.2.9', client: 'x'.repeat(256) } });
});

/** Counts, event or not: what is refused in this test. */
async function refusedOf(who: { actorId?: string; subjectId?: string }) {
  await auth.audit.refusals.flush();
  // A test may run into the next minute.
  const counts = new Map<string, number>();
  for (const { action, code, count } of await auth.store.audit.counts.find(who).toArray())
    counts.set(`${action} ${code}`, (counts.get(`${action} ${code}`) ?? 0) + count);
  return [...counts].map((one) => one.join(' ')).sort();
}

test('refusals, failed logins and refused pivots are counted, for whom they are known', async (t) => {
  const hana = await someone(['member']);
  const system = { type: 'System', id: '', ownerId: '' };
  for (let i = 0; i < 3; i++) {
    const asked = authorize(auth, { accessToken: hana.accessToken, action: 'audit.list', resource: system, address: ADDRESS });
    await t.throwsAsync(asked, { code: 'PERMISSION_DENIED' });
    await t.throwsAsync(logIn(auth, { ...loginOf(hana.loginId, 'a wrong password'), source: ADDRESS }), {
      code: 'BAD_CREDENTIALS',
    });
  }
  await authorize(auth, {
    accessToken: hana.accessToken,
    action: 'member.read',
    resource: { type: 'Member', id: '', ownerId: '' },
  });
  const admin = await someone(['admin']);
  const permit = await permitOf(admin.accessToken, 'member.update', { type: 'Member', id: hana.memberId, ownerId: '' });
  await logOut(auth, admin.accessToken);
  const late = { operationId: randomUUID(), permit, closedMemberId: undefined };
  await t.throwsAsync(auth.steps.confirmPermit(late), { code: 'PERMISSION_REVOKED' });
  await t.throwsAsync(authorize(auth, { accessToken: admin.accessToken, action: 'member.read', resource: system }), {
    code: 'SESSION_REVOKED',
  });
  t.deepEqual(await refusedOf({ actorId: hana.memberId }), ['audit.list PERMISSION_DENIED 3']);
  t.deepEqual(await refusedOf({ subjectId: hana.memberId }), ['auth.login BAD_CREDENTIALS 3']);
  t.deepEqual(await refusedOf({ actorId: admin.memberId }), [
    'member.read SESSION_REVOKED 1',
    'member.update PERMISSION_REVOKED 1',
  ]);
});

test('nothing personal can be read where it is kept, and of an erased member nobody can open it; the chain is whole', async (t) => {
  const hana = await someone(['admin']);
  const permit = await permitOf(hana.accessToken, 'member.update', { type: 'Member', id: hana.memberId, ownerId: '' });
  t.false(Buffer.from(permit, 'base64').toString('latin1').includes(ADDRESS));
  await auth.steps.confirmPermit({ operationId: `${randomUUID()}/auth.confirmPermit`, permit, closedMemberId: undefined });
  const waiting = JSON.stringify(await auth.store.audit.waiting.find().toArray());
  t.true(waiting.includes(hana.memberId));
  t.deepEqual(
    (await eventsOf(hana.memberId)).map(({ origin, erased }) => [origin, erased]),
    [
      [ORIGIN, false],
      [ORIGIN, false],
    ],
  );
  const collections = ['audit_waiting', 'audit_events', 'audit_counts', 'operations', 'outbox'];
  for (const name of collections) {
    const kept = JSON.stringify(await auth.store.mongo.db.collection(name).find().toArray());
    for (const personal of [ADDRESS, CLIENT, hana.loginId]) t.false(kept.includes(personal), `${personal} in ${name}`);
  }
  for (const personal of [ADDRESS, CLIENT, hana.loginId]) t.false(waiting.includes(personal));

  await transaction(auth.store.mongo, (session) => auth.store.memberKeys.destroy(session, hana.memberId));
  t.deepEqual(
    (await eventsOf(hana.memberId)).map(({ origin, erased }) => [origin, erased]),
    [
      [undefined, true],
      [undefined, true],
    ],
  );
  t.is((await check(auth.audit.chain.tell())).broken, undefined);
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { permissionDenied, unavailable } from '#platform/errors.ts';
import type { AuditFilter, ListAuditEventsRequest } from '#proto/musubi/auth/v1/auth.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';
import { auditEvent } from '../stand-ins.fixture.ts';

const test = worldTest({ proxies: ['127.0.0.1'] });

test('who may not list the audit is refused, and so is a stranger', async (t) => {
  for (const path of ['/v1/audit-events', '/v1/audit-events:export']) {
    t.like(await send(t.context, 'GET', path, { token: t.context.hana }), { status: 403, body: { code: 'PERMISSION_DENIED' } });
    t.like(await send(t.context, 'GET', path), { status: 401, body: { code: 'TOKEN_MISSING' } });
    t.like(t.context.asked.at(-1), { action: 'audit.list', resource: { type: 'System' } });
  }
});

test('an event is shown with from where it came; null where its member has been erased', async (t) => {
  const { context: world } = t;
  const event = auditEvent(7, world.hanaId);
  const events = [
    event,
    { ...event, sequence: 6, origin: undefined, erased: true },
    { ...event, sequence: 5, origin: undefined, actorId: undefined, count: 3, outcome: 'BAD_CREDENTIALS' },
  ];
  world.gateway.auth = { ...world.gateway.auth, listAuditEvents: async () => ({ events, nextPageToken: 'next' }) };
  const { status, body } = await send(world, 'GET', '/v1/audit-events', { token: world.admin });
  t.is(status, 200);
  t.is(body.nextPageToken, 'next');
  t.deepEqual(body.items[0], {
    sequence: 7,
    id: event.eventId,
    at: event.at?.toISOString(),
    action: 'member.update',
    outcome: 'DONE',
    actorId: world.hanaId,
    resources: [{ type: 'Member', id: world.hanaId }],
    sessionId: event.sessionId,
    jobId: event.jobId,
    origin: { address: '192.0.2.1', client: 'test' },
  });
  t.is(body.items[1].origin, null);
  t.false('origin' in body.items[2] || 'actorId' in body.items[2]);
});

test('Auth is asked for what the query says, and what can be no filter is refused', async (t) => {
  const { context: world } = t;
  const asked: (AuditFilter | undefined)[] = [];
  const { listAuditEvents, exportAuditEvents } = world.gateway.auth;
  world.gateway.auth = {
    ...world.gateway.auth,
    listAuditEvents: (request: ListAuditEventsRequest, options) => {
      asked.push(request.filter);
      return listAuditEvents(request, options);
    },
    exportAuditEvents: (request, options) => {
      asked.push(request.filter);
      return exportAuditEvents(request, options);
    },
  };
  const as = { token: world.admin };
  const query = `memberId=${world.hanaId.toUpperCase()}&action=member.update&since=2026-11-26T09:00:00%2B09:00&until=2026-11-27T00:00:00Z`;
  const filter = {
    memberId: world.hanaId,
    action: 'member.update',
    since: new Date('2026-11-26T00:00:00Z'),
    until: new Date('2026-11-27T00:00:00Z'),
  };
  t.is((await send(world, 'GET', `/v1/audit-events?${query}&pageSize=5`, as)).status, 200);
  t.is((await send(world, 'GET', `/v1/audit-events:export?${query}`, as)).status, 200);
  t.deepEqual(asked, [filter, filter]);
  for (const wrong of ['memberId=x', 'action=', 'since=yesterday', 'until=2026-11-27', 'actor=x', 'since=', 'pageSize=0']) {
    const refused = await send(world, 'GET', `/v1/audit-events?${wrong}`, as);
    t.like(refused, { status: 400, body: { code: 'INVALID_ARGUMENT', errors: [{ field: wrong.split('=')[0] }] } }, wrong);
  }
  t.like(await send(world, 'GET', '/v1/audit-events?pageToken=x', as), { status: 400, body: { code: 'PAGE_TOKEN_INVALID' } });
  t.like(await send(world, 'GET', '/v1/audit-events:export?pageSize=5', as), { status: 400 });
});

test('an export is JSON lines', async (t) => {
  const { context: world } = t;
  const { status, headers, body } = await send(world, 'GET', '/v1/audit-events:export', { token: world.admin });
  t.is(status, 200);
  t.is(headers.get('content-type'), 'application/jsonl');
  const lines = (body as string).split('\n');
  t.is(lines.pop(), '');
  t.deepEqual(
    lines.map((line) => (JSON.parse(line) as { sequence: number }).sequence),
    [1, 2, 3],
  );
  t.is((await send(world, 'HEAD', '/v1/audit-events:export', { token: world.admin })).status, 200);
});

test('what fails before the first event is a problem; what fails later does not look like the end', async (t) => {
  const { context: world } = t;
  const away = () => unavailable('SERVICE_UNAVAILABLE', 'away');
  world.gateway.auth = {
    ...world.gateway.auth,
    exportAuditEvents: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(away()) }) }),
  };
  const refused = await send(world, 'GET', '/v1/audit-events:export', { token: world.admin });
  t.like(refused, { status: 503, body: { code: 'SERVICE_UNAVAILABLE' } });
  world.gateway.auth = {
    ...world.gateway.auth,
    exportAuditEvents: async function* () {
      yield auditEvent(1, world.hanaId);
      throw away();
    },
  };
  const response = await fetch(`${world.base}/v1/audit-events:export`, { headers: { authorization: `Bearer ${world.admin}` } });
  t.is(response.status, 200);
  await t.throwsAsync(response.text());
});

test('an export is made as its client reads it, and ends when the client leaves', async (t) => {
  const { context: world } = t;
  let made = 0;
  const ended = Promise.withResolvers<void>();
  const event = { ...auditEvent(1, world.hanaId), action: 'x'.repeat(10_000) };
  world.gateway.auth = {
    ...world.gateway.auth,
    exportAuditEvents: async function* () {
      try {
        for (;;) yield { ...event, sequence: ++made };
      } finally {
        ended.resolve();
      }
    },
  };
  const { hostname, port } = new URL(world.base);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /v1/audit-events:export HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${world.admin}\r\n\r\n`);
  await once(socket, 'readable');
  let before = -1;
  // It comes to a stop, as nobody reads.
  for (let still = 0; still < 5; ) {
    await sleep(50);
    still = made === before ? still + 1 : 0;
    before = made;
  }
  t.true(made < 10_000, `${made} events were made for nobody`);
  socket.destroy();
  await ended.promise;
});

test('an export ends when its member may not list the audit any more, and does not look like the end', async (t) => {
  const { context: world } = t;
  const { authorize } = world.gateway.auth;
  let revoked = false;
  world.gateway.auth = {
    ...world.gateway.auth,
    authorize: async (request, options) => {
      if (revoked) throw permissionDenied('PERMISSION_DENIED', 'not any more');
      return await authorize(request, options);
    },
    exportAuditEvents: async function* () {
      for (let made = 1; made <= 40; made++) {
        if (made === 10) revoked = true;
        await sleep(25);
        yield auditEvent(made, world.hanaId);
      }
    },
  };
  const response = await fetch(`${world.base}/v1/audit-events:export`, { headers: { authorization: `Bearer ${world.admin}` } });
  t.is(response.status, 200);
  await t.throwsAsync(response.text());
});

test('Auth is told from where a command, a refresh, a logout and the end of a session come, by nobody but a proxy that is trusted', async (t) => {
  const { context: world } = t;
  const told: unknown[] = [];
  const { refresh, logout, endSession } = world.gateway.auth;
  world.gateway.auth = {
    ...world.gateway.auth,
    refresh: (request, options) => {
      told.push(request.origin);
      return refresh(request, options);
    },
    logout: (request, options) => {
      told.push(request.origin);
      return logout(request, options);
    },
    endSession: (request, options) => {
      told.push(request.origin);
      return endSession(request, options);
    },
  };
  // What a client writes stands left of what the proxy adds.
  const headers = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.9',
    'x-real-ip': '6.6.6.6',
    forwarded: 'for=6.6.6.6',
    'user-agent': 'browser',
  };
  const as = { token: world.hana, headers };
  const origin = { address: '203.0.113.9', client: 'browser' };
  await send(world, 'POST', '/v1/auth/refresh', { body: { refreshToken: 'refresh' }, headers });
  await send(world, 'DELETE', `/v1/auth/sessions/${world.sessionId}`, as);
  await send(world, 'POST', '/v1/auth/logout', as);
  t.deepEqual(told, [origin, origin, origin]);
  await send(world, 'PATCH', `/v1/members/${world.hanaId}`, { ...as, body: { displayName: '花' } });
  t.like(world.asked.at(-1), { action: 'member.update', wantsPermit: true, origin });
  await send(world, 'GET', '/v1/members', { ...as, headers: { ...headers, 'user-agent': 'x'.repeat(2_000) } });
  t.deepEqual(world.asked.at(-1)?.origin, { address: '203.0.113.9', client: 'x'.repeat(256) });
});

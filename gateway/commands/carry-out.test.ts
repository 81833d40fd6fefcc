import { setTimeout as sleep } from 'node:timers/promises';
import { resourceExhausted, unavailable } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

const taro = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };

test('a command is accepted with its job, and the workflow gets no password', async (t) => {
  const answer = await send(t.context, 'POST', '/v1/members', { token: t.context.admin, body: taro });
  t.is(answer.status, 202);
  t.deepEqual(Object.keys(answer.body), ['jobId']);
  t.is(answer.headers.get('location'), `/v1/jobs/${answer.body.jobId}`);
  t.is(answer.headers.get('preference-applied'), null);
  t.is(answer.headers.get('retry-after'), '1');
  const [start] = t.context.started;
  t.is(start?.jobId, answer.body.jobId);
  t.like(start?.input, { memberId: start?.aggregateId });
  t.false(JSON.stringify(start).includes('long enough'));
  const job = await send(t.context, 'GET', `/v1/jobs/${answer.body.jobId}`, { token: t.context.admin });
  t.like(job.body, {
    id: answer.body.jobId,
    command: 'member.register',
    state: 'completed',
    result: { id: start?.aggregateId },
  });
});

test('Prefer: wait answers as a synchronous API would', async (t) => {
  const as = { token: t.context.admin, headers: { prefer: 'respond-async, wait=5' } };
  const created = await send(t.context, 'POST', '/v1/members', { ...as, body: taro });
  t.is(created.status, 201);
  t.is(created.headers.get('preference-applied'), 'wait=5');
  const path = `/v1/members/${created.body.id}`;
  t.is(created.headers.get('location'), path);
  t.like(created.body, { loginId: 'taro', displayName: '太郎', email: 'taro@example.com' });

  const changed = await send(t.context, 'PATCH', path, { ...as, body: { displayName: ' 次郎 ' } });
  t.is(changed.status, 200);
  t.is(changed.body.displayName, '次郎');
  t.not(changed.headers.get('etag'), created.headers.get('etag'));

  const taken = await send(t.context, 'POST', '/v1/members', { ...as, body: taro });
  t.is(taken.status, 409);
  t.like(taken.body, { code: 'LOGIN_TAKEN', errors: [{ field: 'loginId', message: 'is taken' }] });
  t.regex(taken.body.instance, /^\/v1\/jobs\/[0-9a-f-]{36}$/);

  t.is((await send(t.context, 'DELETE', path, as)).status, 204);
  const gone = await send(t.context, 'DELETE', path, as);
  t.is(gone.status, 404);
  t.is(gone.body.code, 'MEMBER_NOT_FOUND');
});

test('at the deadline, or when the process stops, the answer is 202', async (t) => {
  t.context.next = 'running';
  const startedAt = Date.now();
  const late = await send(t.context, 'POST', '/v1/members', {
    token: t.context.admin,
    body: taro,
    headers: { prefer: 'wait=1' },
  });
  t.is(late.status, 202);
  t.is(late.headers.get('preference-applied'), 'wait=1');
  t.true(Date.now() - startedAt >= 950);
});

test('a job is waited for as its command is, and answered as it is at the deadline', async (t) => {
  const { context: world } = t;
  world.next = 'running';
  const { jobId } = (await send(world, 'POST', '/v1/members', { token: world.admin, body: taro })).body;
  const read = (prefer?: string) =>
    send(world, 'GET', `/v1/jobs/${jobId}`, { token: world.admin, headers: prefer ? { prefer } : {} });
  const told = ({ status, headers, body }: Awaited<ReturnType<typeof read>>) => ({
    status,
    state: body.state,
    applied: headers.get('preference-applied'),
    again: headers.get('retry-after'),
  });
  t.deepEqual(told(await read()), { status: 200, state: 'running', applied: null, again: '1' });
  const begun = performance.now();
  t.deepEqual(told(await read('wait=1')), { status: 200, state: 'running', applied: 'wait=1', again: '1' });
  t.true(performance.now() - begun >= 950);
  const waiting = read('wait=30');
  await sleep(200);
  Object.assign(world.jobs.get(jobId) ?? {}, { state: JobState.JOB_STATE_COMPLETED });
  const ended = await waiting;
  t.deepEqual(told(ended), { status: 200, state: 'completed', applied: 'wait=30', again: null });
  t.regex(ended.headers.get('vary') ?? '', /prefer/i);
  t.deepEqual(told(await read('wait=30')), { status: 200, state: 'completed', applied: 'wait=30', again: null });
});

test('a job that can not be waited for is answered as it was', async (t) => {
  const { context: world } = t;
  world.next = 'running';
  const { jobId } = (await send(world, 'POST', '/v1/members', { token: world.admin, body: taro })).body;
  world.gateway.job = { ...world.gateway.job, awaitJob: () => Promise.reject(unavailable('STORE_UNAVAILABLE', 'away')) };
  const read = await send(world, 'GET', `/v1/jobs/${jobId}`, { token: world.admin, headers: { prefer: 'wait=1' } });
  t.deepEqual([read.status, read.body.state], [200, 'running']);
});

test('a member with too many jobs under way is told so, and when to come again', async (t) => {
  const { context: world } = t;
  const full = resourceExhausted('TOO_MANY_JOBS', 'too many', { retryAfterSeconds: 7 });
  world.gateway.job = { ...world.gateway.job, issueJob: () => Promise.reject(full) };
  const refused = await send(world, 'PATCH', `/v1/members/${world.hanaId}`, { token: world.hana, body: { displayName: 'H' } });
  t.deepEqual([refused.status, refused.body.code, refused.headers.get('retry-after')], [429, 'TOO_MANY_JOBS', '7']);
  t.is(world.started.length, 0);
});

test('If-Match and If-None-Match', async (t) => {
  const { context: world } = t;
  const path = `/v1/members/${world.hanaId}`;
  const read = await send(world, 'GET', path, { token: world.hana });
  const etag = read.headers.get('etag') ?? '';
  const same = await send(world, 'GET', path, { token: world.hana, headers: { 'if-none-match': etag } });
  t.is(same.status, 304);
  t.is(same.body, '');
  const change = (ifMatch: string) =>
    send(world, 'PATCH', path, {
      token: world.hana,
      body: { displayName: 'H' },
      headers: { 'if-match': ifMatch, prefer: 'wait=5' },
    });
  t.is((await change(etag)).status, 200);
  const stale = await change(etag);
  t.is(stale.status, 412);
  t.is(stale.body.code, 'VERSION_MISMATCH');
  t.is((await change('W/"2"')).status, 412);
  t.is((await change('"unknown"')).status, 412);
  t.is((await change('nonsense')).status, 400);
  t.is((await change('*')).status, 200);
  const unheeded = { token: world.hana, body: { displayName: 'I' }, headers: { 'if-none-match': '*' } };
  t.like(await send(world, 'PATCH', path, unheeded), {
    status: 400,
    body: { errors: [{ in: 'header', field: 'If-None-Match' }] },
  });
  const remove = (ifMatch: string) =>
    send(world, 'DELETE', path, { token: world.admin, headers: { 'if-match': ifMatch, prefer: 'wait=5' } });
  const kept = await remove(etag);
  t.deepEqual([kept.status, kept.body.code], [412, 'VERSION_MISMATCH']);
  t.is((await remove('nonsense')).status, 400);
  const read2 = await send(world, 'GET', path, { token: world.hana, headers: { 'if-none-match': etag } });
  t.is(read2.status, 200);
  t.is((await remove(read2.headers.get('etag') ?? '')).status, 204);
});

test('jobs: cancelled while they run, not after; not seen by others', async (t) => {
  const { context: world } = t;
  world.next = 'running';
  const { body: running } = await send(world, 'POST', '/v1/members', { token: world.admin, body: taro });
  const path = `/v1/jobs/${running.jobId}`;
  t.is((await send(world, 'GET', path, { token: world.hana })).status, 404);
  t.is((await send(world, 'POST', `${path}:cancel`, { token: world.hana })).body.code, 'JOB_NOT_FOUND');
  const cancelled = await send(world, 'POST', `${path}:cancel`, { token: world.admin, headers: { prefer: 'wait=2' } });
  t.is(cancelled.status, 200);
  t.is(cancelled.body.state, 'cancelled');
  const again = await send(world, 'POST', `${path}:cancel`, { token: world.admin });
  t.is(again.status, 409);
  t.is(again.body.code, 'JOB_FINISHED');
  t.is((await send(world, 'GET', `${path}:cancel`, { token: world.admin })).status, 405);
  // A state of a later release.
  Object.assign(world.jobs.get(running.jobId) ?? {}, { state: JobState.JOB_STATE_UNSPECIFIED });
  const unnamed = await send(world, 'POST', `${path}:cancel`, { token: world.admin });
  t.deepEqual([unnamed.status, unnamed.body.detail], [409, 'It is too late to cancel the job.']);
});

test('jobs: one whose workflow was closed from outside, or is gone, is neither running nor too late to cancel', async (t) => {
  const { context: world } = t;
  world.next = 'running';
  const { body: running } = await send(world, 'POST', '/v1/members', { token: world.admin, body: taro });
  for (const [state, answer, code] of [
    [JobState.JOB_STATE_RUNNING, 'interrupted', 'JOB_INTERRUPTED'],
    [JobState.JOB_STATE_QUEUED, 'interrupted', 'JOB_INTERRUPTED'],
    [JobState.JOB_STATE_COMPENSATING, 'unknown', 'JOB_INTERRUPTED'],
    [JobState.JOB_STATE_QUEUED, 'unknown', 'JOB_NOT_STARTED'],
  ] as const) {
    world.gateway.commands.cancelCommand = async () => answer;
    Object.assign(world.jobs.get(running.jobId) ?? {}, { state });
    const { status, body } = await send(world, 'POST', `/v1/jobs/${running.jobId}:cancel`, { token: world.admin });
    t.deepEqual([status, body.code], [409, code], `${state}, ${answer}`);
  }
});

test('every command is begun with the permit that Auth gave for it, and no query asks for one', async (t) => {
  const { context: world } = t;
  const as = { token: world.admin };
  const created = await send(world, 'POST', '/v1/members', { ...as, body: taro });
  await send(world, 'PATCH', `/v1/members/${world.hanaId}`, { ...as, body: { displayName: 'Hana' } });
  await send(world, 'GET', `/v1/members/${world.hanaId}`, as);
  await send(world, 'GET', `/v1/jobs/${created.body.jobId}`, as);
  t.deepEqual(
    world.started.map(({ command, permit }) => [command, permit]),
    [
      ['member.register', 'of member.register'],
      ['member.update', 'of member.update'],
    ],
  );
  t.deepEqual(
    world.asked.map(({ wantsPermit = false }) => wantsPermit),
    [true, true, false, false],
  );
});

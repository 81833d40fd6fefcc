import test from 'ava';
import { admin, Client, login, register, unique } from './client.ts';

test('a member is registered, logs in, is changed and deleted, and every answer is visible at once', async (t) => {
  const as = await admin();
  const loginId = unique('hana');
  const created = await as.post(
    '/v1/members',
    { loginId, password: 'correct horse battery', displayName: '花子', email: `${loginId}@example.com` },
    { prefer: 'wait=30' },
  );
  t.is(created.status, 201, JSON.stringify(created.body));
  const { id: memberId } = created.body;
  t.is(created.headers.get('location'), `/v1/members/${memberId}`);
  t.is(created.body.displayName, '花子');

  const read = await as.get(`/v1/members/${memberId}`);
  t.is(read.status, 200);
  t.deepEqual(read.body.roleIds, ['member']);
  t.deepEqual((await as.get(`/v1/members/${memberId.toUpperCase()}`)).body, read.body, 'its ID is read in either case');

  const self = await login(loginId, 'correct horse battery');
  t.is((await self.get('/v1/members/me')).body.id, memberId);

  const renamed = unique('hana2');
  const etag = read.headers.get('etag') ?? '';
  const changed = await self.patch(
    `/v1/members/${memberId}`,
    { displayName: '花', loginId: renamed },
    { prefer: 'wait=30', 'if-match': etag },
  );
  t.is(changed.status, 200, JSON.stringify(changed.body));
  t.is(changed.body.displayName, '花');
  t.is(changed.body.loginId, renamed);
  t.not(changed.headers.get('etag'), etag);

  const stale = await self.patch(`/v1/members/${memberId}`, { displayName: 'x' }, { prefer: 'wait=30', 'if-match': etag });
  t.is(stale.status, 412);
  t.is(stale.body.code, 'VERSION_MISMATCH');

  t.is(
    (await new Client().post('/v1/auth/login', { loginId, password: 'correct horse battery' })).status,
    401,
    'the old login is gone',
  );
  const again = await login(renamed, 'correct horse battery');

  const listed = await as.get(`/v1/members?query=${renamed}`);
  t.deepEqual(
    listed.body.items.map((item: { id: string }) => item.id),
    [memberId],
  );

  const deleted = await as.delete(`/v1/members/${memberId}`, { prefer: 'wait=30' });
  t.true([200, 204].includes(deleted.status), JSON.stringify(deleted.body));
  t.is((await as.get(`/v1/members/${memberId}`)).status, 404);
  t.is((await again.get('/v1/members/me')).status, 401, 'its token is refused from the moment of the answer');
  t.is((await new Client().post('/v1/auth/login', { loginId: renamed, password: 'correct horse battery' })).status, 401);
});

test('without Prefer the answer is 202 with a job that is followed to its end', async (t) => {
  const as = await admin();
  const { memberId } = await register(as);
  const accepted = await as.patch(`/v1/members/${memberId}`, { displayName: 'later' });
  t.is(accepted.status, 202);
  t.is(accepted.headers.get('location'), `/v1/jobs/${accepted.body.jobId}`);
  const job = await as.finished(accepted.body.jobId);
  t.is(job.state, 'completed');
  t.is(job.command, 'member.update');
  t.deepEqual((await as.get(`/v1/jobs/${accepted.body.jobId.toUpperCase()}`)).body, job);
  t.is((await as.get(`/v1/members/${memberId}`)).body.displayName, 'later');
});

test('a taken login fails the job with LOGIN_TAKEN and nothing of the member remains', async (t) => {
  const as = await admin();
  const taken = await register(as);
  const displayName = unique('ghost');
  const answer = await as.post(
    '/v1/members',
    { loginId: taken.loginId.toUpperCase(), password: 'correct horse battery', displayName, email: 'ghost@example.com' },
    { prefer: 'wait=30' },
  );
  t.is(answer.status, 409);
  t.is(answer.body.code, 'LOGIN_TAKEN');
  t.is(answer.body.errors[0].field, 'loginId');
  t.deepEqual((await as.get(`/v1/members?query=${displayName}`)).body.items, []);
  await login(taken.loginId, taken.password);
});

test('one Idempotency-Key is one registration, however often it is sent', async (t) => {
  const as = await admin();
  const loginId = unique('once');
  const body = { loginId, password: 'correct horse battery', displayName: 'Once', email: `${loginId}@example.com` };
  const headers = { prefer: 'wait=30', 'idempotency-key': unique('key') };
  const answers = await Promise.all([1, 2, 3].map(() => as.post('/v1/members', body, headers)));
  t.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
    JSON.stringify(answers.map(({ body: answer }) => answer)),
  );
  t.is(new Set(answers.map(({ body: answer }) => answer.id)).size, 1);
  const other = await as.post('/v1/members', { ...body, displayName: 'Twice' }, headers);
  t.is(other.status, 422);
  t.is(other.body.code, 'IDEMPOTENCY_KEY_REUSED');
});

test('what is not granted is refused', async (t) => {
  const as = await admin();
  const one = await register(as);
  const other = await register(as);
  const self = await login(one.loginId, one.password);
  t.is((await self.get(`/v1/members/${other.memberId}`)).status, 200);
  t.is((await self.patch(`/v1/members/${other.memberId}`, { displayName: 'mine' })).status, 403);
  t.is((await self.delete(`/v1/members/${one.memberId}`)).status, 403);
  const refused = await self.post('/v1/members', {
    loginId: unique('x'),
    password: 'long enough',
    displayName: 'x',
    email: 'x@example.com',
  });
  t.is(refused.status, 403);
  t.is(refused.body.code, 'PERMISSION_DENIED');
  const accepted = await as.patch(`/v1/members/${other.memberId}`, { displayName: 'theirs' });
  t.is((await self.get(`/v1/jobs/${accepted.body.jobId}`)).status, 404, 'a job of somebody else does not exist for it');
});

test('commands on one member side by side all end, one after the other', async (t) => {
  const as = await admin();
  const { memberId } = await register(as);
  const accepted = await Promise.all([...'abcdef'].map((name) => as.patch(`/v1/members/${memberId}`, { displayName: name })));
  const jobs = await Promise.all(accepted.map(({ body }) => as.finished(body.jobId)));
  t.deepEqual(
    jobs.map(({ state }) => state),
    jobs.map(() => 'completed'),
  );
  t.regex((await as.get(`/v1/members/${memberId}`)).body.displayName, /^[a-f]$/);
});

test('sessions: refresh rotates, logout ends', async (t) => {
  const as = await admin();
  const one = await register(as);
  const client = new Client();
  const first = (await client.post('/v1/auth/login', { loginId: one.loginId, password: one.password })).body;
  t.is(first.tokenType, 'Bearer');
  t.is(first.expiresIn, 300);
  t.is(first.memberId, one.memberId);
  const second = await client.post('/v1/auth/refresh', { refreshToken: first.refreshToken });
  t.is(second.status, 200);
  t.not(second.body.refreshToken, first.refreshToken);
  client.token = second.body.accessToken;
  t.is((await client.get('/v1/members/me')).status, 200);
  t.true([200, 204].includes((await client.post('/v1/auth/logout')).status));
  t.is((await client.get('/v1/members/me')).status, 401);
  t.is((await client.post('/v1/auth/refresh', { refreshToken: second.body.refreshToken })).status, 401);
});

import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '#platform/until.fixture.ts';
import { newId } from '#platform/validation/id.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

const taro = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };

test('one Idempotency-Key is one job, and another request with it is refused', async (t) => {
  const { context: world } = t;
  const post = (body: object, key = 'key-1') =>
    send(world, 'POST', '/v1/members', { token: world.admin, body, headers: { 'idempotency-key': key, prefer: 'wait=5' } });
  const answers = await Promise.all([post(taro), post(taro), post(Object.fromEntries(Object.entries(taro).reverse()))]);
  t.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  t.is(new Set(answers.map(({ body }) => body.id)).size, 1);
  t.is(world.jobs.size, 1);
  const other = await post({ ...taro, displayName: 'Other' });
  t.is(other.status, 422);
  t.is(other.body.code, 'IDEMPOTENCY_KEY_REUSED');
  const remove = (headers: object) =>
    send(world, 'DELETE', `/v1/members/${world.hanaId}`, {
      token: world.admin,
      headers: { 'idempotency-key': 'key-5', ...headers },
    });
  t.is((await remove({ 'if-match': '*' })).status, 202);
  t.like(await remove({}), { status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } }, 'under another condition it is another');
  for (const key of ['', 'with space', 'x'.repeat(256)]) {
    const { status, body } = await post({ ...taro, loginId: 'other' }, key);
    t.is(status, 400, key);
    t.like(body.errors[0], { in: 'header', field: 'Idempotency-Key', code: 'WRONG_FORMAT' });
  }
});

test('a repeat is found before anything costly is done for it: one key, one password hashed', async (t) => {
  const { context: world } = t;
  const { auth } = world.gateway;
  let hashed = 0;
  const stagePassword: typeof auth.stagePassword = async (...given) => {
    hashed++;
    await sleep(50);
    return await auth.stagePassword(...given);
  };
  world.gateway.auth = { ...auth, stagePassword };
  const post = (body: object = taro) =>
    send(world, 'POST', '/v1/members', { token: world.admin, body, headers: { 'idempotency-key': 'key-3', prefer: 'wait=5' } });
  const atOnce = await Promise.all(Array.from({ length: 100 }, () => post()));
  t.deepEqual(new Set(atOnce.map(({ status, body }) => `${status} ${body.id}`)).size, 1);
  t.is(hashed, 1);
  t.is((await post()).status, 201);
  t.is((await post({ ...taro, password: 'another good password' })).status, 201, 'a password is not compared');
  t.is((await post({ ...taro, displayName: 'Other' })).status, 422);
  t.is(hashed, 1, 'nor later');
});

test('requests of one key at the same time are one job if they are the same and of one member, and no others', async (t) => {
  const { context: world } = t;
  const { job, issuing } = world.gateway;
  const all = Promise.withResolvers<void>();
  // When all are there, one after the other in the order in which they came.
  let before: Promise<unknown> = all.promise;
  const issueJob: typeof job.issueJob = (...given) => {
    const issued = before.then(() => job.issueJob(...given));
    before = issued.catch(() => undefined);
    return issued;
  };
  world.gateway.job = { ...job, issueJob };
  let begun = 0;
  const run: typeof issuing.run = (...given) => {
    begun++;
    return issuing.run(...given);
  };
  world.gateway.issuing = { run } as typeof issuing;
  const patch = (token: string, displayName: string) =>
    send(world, 'PATCH', `/v1/members/${world.hanaId}`, {
      token,
      body: { displayName },
      headers: { 'idempotency-key': 'key-4' },
    });
  const same = [patch(world.hana, 'a'), patch(world.hana, 'a')];
  await until(() => begun >= 2);
  const others = [patch(world.hana, 'b'), patch(world.admin, 'a')];
  await until(() => begun >= 4);
  all.resolve();
  const [one, two] = await Promise.all(same);
  t.is(one?.status, 202);
  t.is(two?.body.jobId, one?.body.jobId);
  const [another, somebody] = await Promise.all(others);
  t.like(another, { status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  t.is(somebody?.status, 202);
  t.not(somebody?.body.jobId, one?.body.jobId);
  t.is(world.jobs.size, 2);
});

test('with a key, Job is asked for a repeat only where something would be prepared in vain', async (t) => {
  const { context: world } = t;
  const { findJob } = world.gateway.job;
  let asked = 0;
  const counted: typeof findJob = (request) => {
    asked++;
    return findJob(request);
  };
  world.gateway.job = { ...world.gateway.job, findJob: counted };
  const key = { 'idempotency-key': newId() };
  const change = () =>
    send(world, 'PATCH', `/v1/members/${world.hanaId}`, { token: world.hana, body: { displayName: 'x' }, headers: key });
  const first = await change();
  t.is(first.status, 202);
  t.is((await change()).body.jobId, first.body.jobId);
  t.is(asked, 0, 'to issue the job finds the repeat');
});

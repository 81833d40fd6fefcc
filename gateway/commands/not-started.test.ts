import { setTimeout as sleep } from 'node:timers/promises';
import { unavailable } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
import type { Commands } from '../../worker/client.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';
import { AbandonedJobs } from './abandoned.ts';

// Commands whose saga can not be started: Temporal is away.

const test = worldTest();

const taro = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };

test('a start that failed is 503, and its key starts the same job later, for the same member', async (t) => {
  const { context: world } = t;
  world.next = 'unavailable';
  const options = { token: world.admin, body: taro, headers: { 'idempotency-key': 'key-2', prefer: 'wait=5' } };
  const away = await send(world, 'POST', '/v1/members', options);
  t.is(away.status, 503);
  t.is(away.body.code, 'TEMPORAL_UNAVAILABLE');
  const [job] = world.jobs.values();
  t.is(world.gateway.abandoned.size, 0, 'the repeat of its key needs it: it is not given up');
  world.next = 'completed';
  const later = await send(world, 'POST', '/v1/members', options);
  t.is(later.status, 201);
  t.is(later.body.id, job?.aggregateId);
  t.is(world.jobs.size, 1);
});

test('a job that nobody can start again fails, unless its saga did start: that is undone', async (t) => {
  const { context: world } = t;
  const post = () => send(world, 'POST', '/v1/members', { token: world.admin, body: taro });
  world.next = 'unavailable';
  t.is((await post()).status, 503);
  const [queued] = world.jobs.values();
  t.is(world.gateway.abandoned.size, 1);
  const abandoned = new AbandonedJobs(world.gateway, { startMayArriveMs: 1, sweepMs: 1 });
  world.next = 'running';
  const { jobId } = (await post()).body;
  abandoned.add(queued?.jobId ?? '');
  abandoned.add(jobId);
  await empty(abandoned);
  const progress = { done: 0, total: 0, step: 'not started' };
  t.like(queued, { state: 'JOB_STATE_FAILED', error: { code: 'NOT_STARTED', grpcStatus: 'UNAVAILABLE' }, progress });
  t.is(world.jobs.get(jobId)?.state, 'JOB_STATE_CANCELLED');
});

test('while it is known that Temporal is away a command leaves no job behind, and no password is hashed', async (t) => {
  const { context: world } = t;
  world.next = 'disconnected';
  world.gateway.auth = { ...world.gateway.auth, stagePassword: () => Promise.reject(new Error('a password was hashed')) };
  const { status, body } = await send(world, 'POST', '/v1/members', { token: world.admin, body: taro });
  t.deepEqual([status, body.code], [503, 'TEMPORAL_UNAVAILABLE']);
  t.is((await send(world, 'DELETE', `/v1/members/${world.hanaId}`, { token: world.admin })).status, 503);
  t.is(world.jobs.size, 0);
  t.is(world.gateway.abandoned.size, 0);
});

test('the repeat of a command that has its saga is answered while it is known that Temporal is away', async (t) => {
  const { context: world } = t;
  const post = (key: string) =>
    send(world, 'POST', '/v1/members', {
      token: world.admin,
      body: { ...taro, loginId: key },
      headers: { 'idempotency-key': key, prefer: 'wait=1' },
    });
  const done = await post('done');
  t.is(done.status, 201);
  world.next = 'running';
  const running = await post('running');
  t.is(running.status, 202);
  world.next = 'disconnected';
  t.deepEqual([(await post('done')).status, (await post('done')).body], [201, done.body]);
  t.deepEqual([(await post('running')).status, (await post('running')).body], [202, running.body]);
  t.is((await post('new')).status, 503);
  world.next = 'completed';
  t.is((await post('new')).status, 201, 'its job waited for the repeat');
  t.is(world.jobs.size, 3);
});

test('jobs that were not started are looked after by one loop, as many as it can remember', async (t) => {
  const { context: world } = t;
  world.next = 'unavailable';
  for (let count = 0; count < 4; count++)
    await send(world, 'POST', '/v1/members', { token: world.admin, body: { ...taro, loginId: `taro-${count}` } });
  const [first, ...others] = [...world.jobs.keys()];
  let atOnce = 0;
  let most = 0;
  let away = true;
  const asked: string[] = [];
  const begun = performance.now();
  const commands: Commands = {
    ...world.gateway.commands,
    async cancelCommand(jobId) {
      if (asked.push(jobId) === 1) t.true(performance.now() - begun >= times.startMayArriveMs, 'its start may still arrive');
      most = Math.max(most, ++atOnce);
      await sleep(5);
      atOnce--;
      if (away) throw unavailable('TEMPORAL_UNAVAILABLE', 'away');
      return 'unknown';
    },
  };
  const times = { startMayArriveMs: 200, sweepMs: 10 };
  const abandoned = new AbandonedJobs({ ...world.gateway, commands }, { ...times, capacity: 3 });
  for (const jobId of world.jobs.keys()) abandoned.add(jobId);
  t.is(abandoned.size, 3);
  t.true(world.lines.some(({ msg, jobId }) => /too many/.test(String(msg)) && jobId === others[2]));
  await until(() => asked.length >= 4);
  t.deepEqual(asked.slice(0, 4), [first, others[0], others[1], first], 'one a sweep while what is needed is away');
  away = false;
  await empty(abandoned);
  t.is(most, 1);
  t.deepEqual(
    [...world.jobs.values()].map(({ state }) => state),
    ['JOB_STATE_FAILED', 'JOB_STATE_FAILED', 'JOB_STATE_FAILED', 'JOB_STATE_QUEUED'],
  );
});

async function empty(abandoned: AbandonedJobs): Promise<void> {
  await until(() => abandoned.size === 0);
}

import test, { type ExecutionContext } from 'ava';
import type { CallOptions } from '#platform/grpc/client.ts';
import { until } from '#platform/until.fixture.ts';
import { newId } from '#platform/validation/id.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { send } from '../client.fixture.ts';
import { startWorld, type World } from '../gateway.fixture.ts';
import type { WaitLimits } from './waits.ts';

async function worldOf(t: ExecutionContext, waits?: WaitLimits): Promise<World> {
  const world = await startWorld(waits ? { waits } : {});
  t.teardown(() => world.close());
  return world;
}

/** A job of Hana that does not end by itself. */
function running(world: World): Job {
  const now = new Date();
  const job: Job = {
    jobId: newId(),
    command: 'member.update',
    state: JobState.JOB_STATE_RUNNING,
    progress: undefined,
    resultJson: '',
    error: undefined,
    memberId: world.hanaId,
    aggregateId: world.hanaId,
    createdAt: now,
    updatedAt: now,
    expiresAt: now,
    version: 1,
  };
  world.jobs.set(job.jobId, job);
  return job;
}

const complete = (job: Job): void => void Object.assign(job, { state: JobState.JOB_STATE_COMPLETED, resultJson: '{}' });

/** The calls to Job that wait, and those that read one job. */
function calls(world: World) {
  const { job } = world.gateway;
  const seen = { waiting: 0, begun: 0, read: 0 };
  world.gateway.job = {
    ...job,
    awaitJob: (request: { jobId: string; waitMs: number }, options?: CallOptions) => {
      seen.waiting++;
      seen.begun++;
      return job.awaitJob(request, options).finally(() => seen.waiting--);
    },
    getJob: (request: { jobId: string }, options?: CallOptions) => {
      seen.read++;
      return job.getJob(request, options);
    },
  };
  return seen;
}

const ask = (world: World, { jobId }: Job, prefer: string, token = world.hana) =>
  send(world, 'GET', `/v1/jobs/${jobId}`, { token, headers: prefer ? { prefer } : {} });

const told = ({ status, headers, body }: Awaited<ReturnType<typeof send>>) => ({
  status,
  state: body.state,
  applied: headers.get('preference-applied'),
});

// Alone, as it turns the clock.
test.serial('a call to Job that was in vain is followed by another; a short one tells that Job stops', async (t) => {
  const world = await worldOf(t);
  const real = performance.now.bind(performance);
  t.teardown(() => {
    performance.now = real;
  });
  let [skipped, asked] = [0, 0];
  performance.now = () => real() + skipped;
  /** Each call but the last lasts so long. */
  const lasting = (ms: number, job: Job): void => {
    asked = 0;
    world.gateway.job = {
      ...world.gateway.job,
      awaitJob: async () => {
        if (++asked === 3) complete(job);
        skipped += ms;
        return { job };
      },
    };
  };
  const [ends, stops] = [running(world), running(world)];
  lasting(30_000, ends);
  t.like(told(await ask(world, ends, 'wait=30')), { state: 'completed', applied: 'wait=30' });
  t.is(asked, 3);
  lasting(29_000, stops);
  t.like(told(await ask(world, stops, 'wait=30')), { state: 'running', applied: 'wait=30' });
  t.is(asked, 1);
});

test('however many wait, other calls to Job are answered at once', async (t) => {
  const world = await worldOf(t);
  const seen = calls(world);
  // Twice as many as may wait, and few enough for the last to be there before the first have waited in vain.
  const jobs = Array.from({ length: 300 }, () => running(world));
  const waits: ReturnType<typeof send>[] = [];
  // Not more at once than a system lets connect.
  for (let i = 0; i < jobs.length; i += 50) {
    for (const job of jobs.slice(i, i + 50)) waits.push(ask(world, job, 'wait=30'));
    if (i === 0) for (const job of jobs.slice(0, 20)) waits.push(ask(world, job, 'wait=30', world.admin));
    await until(() => seen.read >= waits.length);
  }
  const lists = await Promise.all([world.hana, world.admin].map((token) => send(world, 'GET', '/v1/jobs?pageSize=1', { token })));
  t.deepEqual(
    lists.map(({ status }) => status),
    [200, 200],
  );
  for (const job of jobs) complete(job);
  const answers = (await Promise.all(waits)).map(told);
  t.true(answers.every(({ status }) => status === 200));
  t.is(answers.filter(({ applied }) => applied === 'wait=30').length, 128 + 20);
});

test('who waits for the same job shares one call, which ends with the last of them', async (t) => {
  const world = await worldOf(t);
  const seen = calls(world);
  const job = running(world);
  const waits = Array.from({ length: 50 }, () => ask(world, job, 'wait=30'));
  await until(() => seen.read === 50 && seen.waiting === 1);
  // One that asks for less is answered when its own time is over, of the job as it is then.
  t.deepEqual(told(await ask(world, job, 'wait=1')), { status: 200, state: 'running', applied: 'wait=1' });
  complete(job);
  t.deepEqual((await Promise.all(waits)).map(told), Array(50).fill({ status: 200, state: 'completed', applied: 'wait=30' }));
  t.is(seen.begun, 1);

  const left = new AbortController();
  const other = running(world);
  const leaving = fetch(`${world.base}/v1/jobs/${other.jobId}`, {
    headers: { authorization: `Bearer ${world.hana}`, prefer: 'wait=30' },
    signal: left.signal,
  });
  await until(() => seen.waiting === 1);
  left.abort();
  await t.throwsAsync(leaving);
  await until(() => seen.waiting === 0);
  t.pass();
});

test('whoever comes when too much is waited for is answered at once, with the job as it is', async (t) => {
  const world = await worldOf(t, { perMember: 2, jobs: 3 });
  const seen = calls(world);
  const [one, two, three, four] = [running(world), running(world), running(world), running(world)];
  const now = { status: 200, state: 'running', applied: null };
  const waits = [ask(world, one, 'wait=30'), ask(world, two, 'wait=30')];
  await until(() => seen.waiting === 2);
  t.deepEqual(told(await ask(world, one, 'wait=30')), now, 'a member has so many');
  waits.push(ask(world, three, 'wait=30', world.admin));
  await until(() => seen.waiting === 3);
  t.deepEqual(told(await ask(world, four, 'wait=30', world.admin)), now, 'all have so many');
  const cancel = { token: world.hana, headers: { prefer: 'wait=30' } };
  const cancelled = await send(world, 'POST', `/v1/jobs/${four.jobId}:cancel`, cancel);
  t.is(cancelled.status, 202);
  t.is(cancelled.headers.get('preference-applied'), null);
  const joined = ask(world, one, 'wait=30', world.admin);
  for (const job of [one, two, three]) complete(job);
  for (const answer of await Promise.all([...waits, joined])) t.like(told(answer), { state: 'completed', applied: 'wait=30' });
  const again = running(world);
  waits.push(ask(world, again, 'wait=30'));
  await until(() => seen.waiting === 1);
  complete(again);
  t.like(told((await waits.at(-1)) as Awaited<ReturnType<typeof send>>), { state: 'completed', applied: 'wait=30' });
});

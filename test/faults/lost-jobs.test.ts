import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { Redis } from 'ioredis';
import { whole } from '#platform/cases.fixture.ts';
import { address, admin, type Client, register, unique } from '../client.ts';
import { ports } from '../control.ts';
import { readTopics } from '../evidence.ts';
import { Socket } from '../socket.ts';
import { holdRegistrations } from './held-registrations.ts';

/**
 * Registers a member as far as it goes while registrations are held, and waits until Temporal keeps the tries: a workflow task
 * that is under way would go on, though its workflow is closed. @returns its job
 */
async function registerHalf(as: Client): Promise<{ jobId: string; loginId: string }> {
  const loginId = unique('half');
  const profile = { loginId, password: 'correct horse battery', displayName: 'half of one', email: `${loginId}@example.com` };
  const { jobId } = (await as.post('/v1/members', profile)).body;
  for (;;) {
    const { state, progress } = (await as.get(`/v1/jobs/${jobId}`)).body;
    if (progress?.step === 'activate member' && progress.attempt > 5) return { jobId, loginId };
    if (state !== 'queued' && state !== 'running') throw new Error(`job ${jobId} has ended ${state}`);
    await sleep(100);
  }
}

test.serial(
  'jobs that are accepted when Redis loses all that Job and websocket have end for their owners all the same, told once',
  async (t) => {
    const as = await admin();
    const goOn = await holdRegistrations();
    let half: { jobId: string; loginId: string };
    let socket: Socket;
    try {
      half = await registerHalf(as);
      const redis = new Redis(address('MUSUBI_REDIS_URL'));
      // Chat's is no memory of jobs: what was lost of that, a copy brings back.
      const keys = (await redis.keys('*')).filter((key) => !key.startsWith('{chat:'));
      await redis.del(keys);
      await redis.quit();
      t.is((await as.get(`/v1/jobs/${half.jobId}`)).status, 404);
      socket = await Socket.open(as.token);
    } finally {
      await goOn();
    }
    t.is((await socket.end(half.jobId)).job?.state, 'completed');
    const job = await as.finished(half.jobId);
    t.like(job, { id: half.jobId, command: 'member.register', state: 'completed' });
    t.true((await as.get('/v1/jobs')).body.items.some(({ id }: { id: string }) => id === half.jobId));
    t.is((await as.get(`/v1/members/${job.result.id}`)).body.loginId, half.loginId);
    await register(as);
    t.deepEqual(
      socket.ended.filter((id) => id === half.jobId),
      [half.jobId],
    );
    await socket.close();
  },
);

// It takes three minutes, for a worker looks once a minute for jobs of which nobody has heard for a minute.
if (whole)
  test.serial('a saga that was terminated is told of by /healthz of a worker, and ends once `repair` was run', async (t) => {
    const as = await admin();
    const goOn = await holdRegistrations();
    let jobId: string;
    try {
      ({ jobId } = await registerHalf(as));
      const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
      await new TemporalClient({ connection }).workflow.getHandle(jobId).terminate('by the test');
      await connection.close();
    } finally {
      await goOn();
    }
    let health: { attention?: Record<string, string> } = {};
    const told = async (): Promise<string | undefined> => {
      const { worker } = await ports();
      health = (await (await fetch(`http://127.0.0.1:${worker?.ops}/healthz/worker`)).json()) as typeof health;
      return health.attention?.['unfinished jobs'];
    };
    // A minute in which nothing is heard of the job, and then one until the next look.
    for (let i = 0; i < 150 && !(await told()); i++) await sleep(1_000);
    const finding = (await told()) ?? '';
    const now = JSON.stringify([health, (await as.get(`/v1/jobs/${jobId}`)).body]);
    t.true(finding.includes(jobId) && finding.includes('node main.ts repair'), now);

    const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, '../../main.ts'), 'repair'], {
      env: { ...process.env, MUSUBI_OPS_LISTEN: '127.0.0.1:0', MUSUBI_LOG_LEVEL: 'error' },
    });
    t.like(JSON.parse(stdout), { jobId, workflow: 'TERMINATED', repair: 'reset' });
    t.is((await as.finished(jobId)).state, 'completed');
    for (let i = 0; i < 150 && (await told()); i++) await sleep(1_000);
    t.is(await told(), undefined);
    let events = 0;
    await readTopics(['job.events'], (_, { key }) => void (String(key) === jobId && events++));
    t.is(events, 1);
  });

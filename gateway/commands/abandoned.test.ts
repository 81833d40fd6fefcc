import { setTimeout as sleep } from 'node:timers/promises';
import anyTest from 'ava';
import { unavailable } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
import { newId } from '#platform/validation/id.ts';
import type { Commands } from '../../worker/client.ts';
import { startWorld } from '../gateway.fixture.ts';
import { AbandonedJobs } from './abandoned.ts';

const test = anyTest.serial;

test('a job is settled when no start can arrive any more, and at each sweep from then on while something is away', async (t) => {
  const world = await startWorld();
  const real = performance.now.bind(performance);
  let now = 0;
  performance.now = () => now;
  t.teardown(async () => {
    performance.now = real;
    await world.close();
  });
  let asked = 0;
  const commands: Commands = {
    ...world.gateway.commands,
    cancelCommand: async () => {
      asked++;
      throw unavailable('TEMPORAL_UNAVAILABLE', 'away');
    },
  };
  const sweepMs = 1;
  const abandoned = new AbandonedJobs({ ...world.gateway, commands }, { sweepMs });
  const sweeps = () => sleep(50 * sweepMs);
  abandoned.add(newId());
  now = 29_999;
  await sweeps();
  t.is(asked, 0, 'its start may still arrive');
  now = 30_000;
  for (let tries = 0; asked < 3 && tries < 100; tries++) await sweeps();
  t.true(asked >= 3, 'the clock stood still, so it did not wait for the start again');
  t.is(abandoned.size, 1);
});

test('while something is away, it is asked once in a sweep, however many jobs there are, and of each in turn', async (t) => {
  const world = await startWorld();
  t.teardown(() => world.close());
  const asked: { jobId: string; at: number }[] = [];
  const commands: Commands = {
    ...world.gateway.commands,
    cancelCommand: async (jobId) => {
      asked.push({ jobId, at: performance.now() });
      throw unavailable('TEMPORAL_UNAVAILABLE', 'away');
    },
  };
  const abandoned = new AbandonedJobs({ ...world.gateway, commands }, { startMayArriveMs: 0, sweepMs: 100 });
  const jobs = [newId(), newId(), newId()];
  for (const job of jobs) abandoned.add(job);
  await until(() => asked.length >= 4);
  t.deepEqual(
    asked.slice(0, 4).map(({ jobId }) => jobId),
    [...jobs, ...jobs.slice(0, 1)],
  );
  t.true(
    asked.every(({ at }, n) => n === 0 || at - (asked[n - 1]?.at ?? 0) >= 50),
    JSON.stringify(asked),
  );
});

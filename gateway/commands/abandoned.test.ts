import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { unavailable } from '#platform/errors.ts';
import { newId } from '#platform/validation/id.ts';
import type { Commands } from '../../worker/client.ts';
import { startWorld } from '../gateway.fixture.ts';
import { AbandonedJobs } from './abandoned.ts';

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

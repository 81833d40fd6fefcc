import test from 'ava';
import { until } from '#platform/until.fixture.ts';
import { Timers } from './timers.ts';

test('a defect in the work of a timer is told, and ends neither the process nor the others', async (t) => {
  const told: unknown[] = [];
  const timers = new Timers((error) => told.push(error));
  let worked = 0;
  timers.after('once', 1, () => {
    throw new Error('a defect');
  });
  timers.every('often', 1, () => {
    worked += 1;
    if (worked === 1) throw new Error('another');
  });
  await until(() => worked >= 3 && told.length >= 2);
  timers.end();
  t.deepEqual(told.map(String).sort(), ['Error: a defect', 'Error: another']);
});

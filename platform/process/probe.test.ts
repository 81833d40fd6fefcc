import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { sparing } from './probe.ts';

test('however often it is asked, and by however many at once, it is made now and then', async (t) => {
  let made = 0;
  let answer: () => void = () => undefined;
  const check = sparing(() => {
    made++;
    return new Promise<void>((resolve) => {
      answer = resolve;
    });
  }, 100);
  const first = [check(), check()];
  await sleep(150);
  const late = check();
  t.is(made, 1, 'one that is under way is not made again, however long it takes');
  answer();
  await Promise.all([...first, late, check()]);
  t.is(made, 1);
  while (made === 1) {
    void check();
    await sleep(10);
  }
  t.is(made, 2, 'and then again');
});

test('one that failed fails all who ask until it is made again, soon, and then is forgotten', async (t) => {
  let made = 0;
  const check = sparing(async () => {
    if (++made === 1) throw new Error('full');
  }, 60_000);
  await t.throwsAsync(check(), { message: 'full' });
  await t.throwsAsync(check(), { message: 'full' });
  t.is(made, 1);
  while (
    await check().then(
      () => false,
      () => true,
    )
  )
    await sleep(20);
  t.is(made, 2);
  await check();
  t.is(made, 2);
});

test.serial('a clock of the host that is turned back keeps no answer alive', async (t) => {
  const { now } = Date;
  t.teardown(() => {
    Date.now = now;
  });
  let made = 0;
  const check = sparing(async () => void made++, 50);
  await check();
  Date.now = () => now() - 3_600_000;
  await sleep(80);
  await check();
  t.is(made, 2);
});

test('one that throws before it has a promise fails those who ask, and is made again', async (t) => {
  let made = 0;
  const check = sparing(() => {
    if (++made > 1) throw new Error('not connected');
    return Promise.resolve();
  }, 20);
  await check();
  for (let expected = 2; expected <= 3; expected++) {
    await sleep(30);
    await t.throwsAsync(async () => check(), { message: 'not connected' });
    t.is(made, expected);
  }
});

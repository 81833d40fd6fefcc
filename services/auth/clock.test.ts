import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { testProcess } from '#platform/test-servers.fixture.ts';
import { openTestAuth } from './auth.fixture.ts';
import { openClock, StoreClock } from './clock.ts';

const YEAR_2040 = Date.UTC(2040, 0, 1);

test('the clock shows the time of the store, whatever this host says, and goes on with it', async (t) => {
  const began = performance.now();
  const clock = new StoreClock(async () => new Date(YEAR_2040 + performance.now() - began));
  t.throws(() => clock.now(), { message: /never measured/ });
  await clock.measure();
  const first = clock.now();
  t.true(first >= YEAR_2040 && first <= YEAR_2040 + performance.now() - began);
  await sleep(30);
  t.true(clock.now() >= first + 25);
});

test('of several answers the one that came fastest counts', async (t) => {
  const hour = 3_600_000;
  let asked = 0;
  const clock = new StoreClock(async () => {
    asked++;
    if (asked === 2) return new Date(YEAR_2040 + hour);
    await sleep(50);
    return new Date(YEAR_2040);
  });
  await clock.measure();
  t.is(asked, 3);
  t.true(clock.now() >= YEAR_2040 + hour);
});

test('a clock that goes follows the store when that is set, also back', async (t) => {
  let time = YEAR_2040;
  const clock = new StoreClock(async () => new Date(time));
  await clock.measure();
  for (const shift of [-3_600_000, 86_400_000]) {
    time = YEAR_2040 + shift;
    await clock.measure();
    t.true(Math.abs(clock.now() - time) < 60_000);
  }
});

test('a store that is away, or set anew, is asked again and again', async (t) => {
  // In place of a database: the clock of a real one is that of this machine, which no test may set.
  let time: number | undefined = YEAR_2040;
  const command = async () => {
    if (time === undefined) throw new Error('the store is away');
    return { localTime: new Date(time) };
  };
  const { log, lifecycle } = testProcess('clock');
  const clock = await openClock({ command }, log, lifecycle, 5);
  time = undefined;
  await sleep(30);
  t.true(clock.now() >= YEAR_2040, 'it goes on');
  time = YEAR_2040 - 86_400_000;
  for (let i = 0; i < 600 && clock.now() >= YEAR_2040; i++) await sleep(5);
  t.true(clock.now() < YEAR_2040);
  await lifecycle.stop('done');
});

test("a real store's clock is shown", async (t) => {
  const auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => auth.close());
  const asked = auth.store.clock.now();
  const { localTime } = await auth.store.mongo.db.command({ hello: 1 });
  const answered = auth.store.clock.now();
  // The measurement itself may be off by half of what its fastest answer took.
  t.true(localTime.getTime() >= asked - 500 && localTime.getTime() <= answered + 500, `${localTime.getTime() - asked} ms`);
});

test("nothing else in Auth reads its host's clock", (t) => {
  const read = globSync('**/*.ts', { cwd: import.meta.dirname }).filter(
    (file) =>
      !/\.(test|fixture)\.ts$/.test(file) &&
      /Date\.now\b|new Date\(\)/.test(readFileSync(join(import.meta.dirname, file), 'utf8')),
  );
  t.deepEqual(read, []);
});

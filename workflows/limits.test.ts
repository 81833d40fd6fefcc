import { Context } from '@temporalio/activity';
import anyTest, { type TestFn } from 'ava';
import { away, notVisible, type Received, ScriptedServices, taken } from './saga.fixture.ts';
import { countEvents, TimeSkipping } from './time-skipping.fixture.ts';

// Every time-out and retry of temporal.config.ts, as services feel it and as Temporal gets it. The numbers are written out:
// who changes a limit changes it here too, knowingly.

// One after the other: they share the server's clock.
const test = (anyTest as TestFn<{ time: TimeSkipping }>).serial;

test.before(async (t) => {
  t.context = { time: await TimeSkipping.open() };
});
test.after.always((t) => t.context.time?.close());

const receivedOf = (services: ScriptedServices, step: string): Received[] =>
  services.received.filter(({ name }) => name === step);
/** Between one attempt and the next, ms. */
const gaps = (attempts: Received[]): number[] => attempts.slice(1).map(({ at }, i) => at - (attempts[i]?.at ?? 0));
/** Never answers: only its time-out ends it. */
const hangs = (): Promise<never> => Context.current().cancelled;

test('a step is tried four times inside the workflow task, 0.1, 0.3 and 0.9 s apart', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': (attempt) => (attempt <= 3 ? away : {}) });
  const handle = await t.context.time.run('member.register', services);
  const attempts = receivedOf(services, 'auth.bindLogin');
  t.deepEqual(
    attempts.map(({ local, timeoutMs }) => ({ local, timeoutMs })),
    Array(4).fill({ local: true, timeoutMs: 4_750 }),
  );
  // Waits are not shorter; how much longer is up to the machine.
  [100, 300, 900].forEach((ms, i) => void t.true((gaps(attempts)[i] ?? 0) > 0.9 * ms, `${gaps(attempts)}`));
  t.true(
    gaps(attempts).every((ms) => ms < 5_000),
    `${gaps(attempts)}`,
  );
  t.is(await countEvents(handle, 'workflowTaskCompletedEventAttributes'), 1);
  t.is(await countEvents(handle, 'timerStartedEventAttributes'), 0, 'which would cost a workflow task each');
});

test('after four vain tries it goes on as a regular activity', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': (attempt) => (attempt <= 4 ? away : {}) });
  await t.context.time.run('member.register', services);
  t.deepEqual(
    receivedOf(services, 'auth.bindLogin').map(({ local, timeoutMs }) => ({ local, timeoutMs })),
    [...Array(4).fill({ local: true, timeoutMs: 4_750 }), { local: false, timeoutMs: 4_750 }],
  );
});

test('a service that hangs has 5 s an attempt, and holds the workflow task for 15 s at most', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': (attempt) => (attempt <= 3 ? hangs() : {}) });
  await t.context.time.run('member.register', services);
  const attempts = receivedOf(services, 'auth.bindLogin');
  t.deepEqual(
    attempts.map(({ local }) => local),
    [true, true, true, false],
  );
  const [first = 0, second = 0, third = 0] = gaps(attempts);
  t.true(first > 4_900 && second > 4_900, `${first}, ${second}`);
  t.true(first + second + third > 14_500, 'the third had less than its time left');
  t.true(third < 5_000 + 2_000, `${third}`);
});

test('a job waits 2 s for queries before it says applied, then 1 s an attempt', async (t) => {
  const services = new ScriptedServices({ 'query.awaitVersions': (attempt) => (attempt <= 1 ? notVisible : {}) });
  await t.context.time.run('member.register', services);
  t.deepEqual(
    receivedOf(services, 'query.awaitVersions').map(({ local, timeoutMs, request: { waitMs } }) => ({
      local,
      timeoutMs,
      waitMs,
    })),
    [
      { local: true, timeoutMs: 4_750, waitMs: 2_000 },
      { local: false, timeoutMs: 1_750, waitMs: 1_000 },
    ],
  );
});

test('a saga that undoes says so on its job, once and without insisting', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': [taken], 'job.reportProgress': [away] });
  await t.context.time.run('member.register', services);
  t.like(receivedOf(services, 'job.reportProgress'), { length: 1, 0: { timeoutMs: 750 } });
});

const YEAR_MS = 365 * 86_400_000;

interface Duration {
  seconds?: unknown;
  nanos?: number | null;
}
const ms = (duration: Duration | null | undefined): number =>
  Number(duration?.seconds ?? 0) * 1_000 + (duration?.nanos ?? 0) / 1e6;

test('Temporal is told how long the rest is tried, and when to raise the alarm', async (t) => {
  const undone = new ScriptedServices({ 'auth.bindLogin': [away], 'member.undo': (attempt) => (attempt <= 5 ? away : {}) });
  const late = new ScriptedServices({
    'member.activateMember': (attempt) => (attempt <= 5 ? away : {}),
    'query.awaitVersions': (attempt) => (attempt <= 1 ? notVisible : {}),
  });
  const told: Record<string, unknown> = {};
  const timers = new Map<number, string>();
  for (const services of [undone, late]) {
    const handle = await t.context.time.run('member.register', services);
    for (const event of (await handle.fetchHistory()).events ?? []) {
      const { activityTaskScheduledEventAttributes: activity, timerStartedEventAttributes: timer } = event;
      if (timer) timers.set(ms(timer.startToFireTimeout), Buffer.from(event.userMetadata?.summary?.data ?? []).toString());
      if (!activity) continue;
      const { startToCloseTimeout, scheduleToCloseTimeout, retryPolicy: retry } = activity;
      told[activity.activityType?.name ?? ''] = {
        attempt: ms(startToCloseTimeout),
        // Temporal's way to say "no limit" is ten years.
        altogether: ms(scheduleToCloseTimeout) > YEAR_MS ? 'unlimited' : ms(scheduleToCloseTimeout),
        waits: [ms(retry?.initialInterval), retry?.backoffCoefficient, ms(retry?.maximumInterval)],
        attempts: retry?.maximumAttempts,
      };
    }
  }
  const bounded = { attempt: 5_000, altogether: 45_000, waits: [1_000, 1.5, 5_000], attempts: 0 };
  const unbounded = { attempt: 5_000, altogether: 'unlimited', waits: [1_000, 2, 15_000], attempts: 0 };
  t.deepEqual(told, {
    'auth.bindLogin': bounded,
    'job.reportProgress': { attempt: 1_000, altogether: 5_000, waits: [1_000, 2, 100_000], attempts: 1 },
    'member.undo': unbounded,
    'member.activateMember': unbounded,
    'query.awaitVersions': { attempt: 2_000, altogether: 'unlimited', waits: [1_000, 1.5, 5_000], attempts: 0 },
  });
  t.deepEqual([...timers], [[300_000, '"alarm"']], 'with what the Web UI shows of them');
});

import { EventEmitter } from 'node:events';
import { mock } from 'node:test';
import anyTest from 'ava';
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { createLogger } from '../process/log.ts';
import { type BatchControl, BatchHandler } from './batch.ts';
import { ConsumerRun, HEARTBEAT_EVERY_MS } from './consumer-run.ts';
import type { DeadLetters } from './dead-letter.ts';
import { Standstills } from './standstills.ts';

// One after the other, for they take over the clock of this process. What is said here to kafkajs is said by hand: with
// real brokers each of these would be a matter of luck, or of half a minute.
const test = anyTest.serial;

const log = createLogger('test-kafka', 'silent');
const EVENTS = {
  HEARTBEAT: 'heartbeat',
  FETCH_START: 'fetch start',
  FETCH: 'fetch',
  GROUP_JOIN: 'join',
  REBALANCING: 'rebalancing',
  CRASH: 'crash',
};

test.beforeEach(() => {
  mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'Date'] });
  mock.method(performance, 'now', () => Date.now());
});
test.afterEach.always(() => {
  mock.timers.reset();
  mock.restoreAll();
});

type Handle = (control: BatchControl) => Promise<void>;

/** A run on a consumer that does nothing, whose batches are handled by `handle`. */
function running(handle: Handle = async () => undefined) {
  const happens = new EventEmitter();
  const committed: unknown[] = [];
  const consumer = {
    events: EVENTS,
    on: (event: string, listener: (event: unknown) => void) => happens.on(event, listener),
    commitOffsets: async (offsets: unknown) => void committed.push(offsets),
    disconnect: async () => undefined,
  } as unknown as Consumer;
  const standstills = new Standstills('test', log);
  const batches = new (class extends BatchHandler {
    override async run(...[, , , control]: Parameters<BatchHandler['run']>): Promise<number> {
      await handle(control);
      return 0;
    }
  })({ group: 'test', handlers: {}, deadLetters: {} as DeadLetters, standstills });
  const run = new ConsumerRun(consumer, batches, standstills, log);
  const tell = (event: string): void => void happens.emit(event, { payload: {} });
  tell(EVENTS.GROUP_JOIN);
  return { run, committed, standstills, tell };
}

/** A batch of which `heartbeat` tells the brokers that its reader lives. */
const batch = (heartbeat: () => Promise<void> = async () => undefined): EachBatchPayload =>
  ({
    batch: { topic: 'test.events', partition: 0, messages: [] },
    resolveOffset: () => undefined,
    heartbeat,
    pause: () => () => undefined,
    isRunning: () => true,
    isStale: () => false,
  }) as unknown as EachBatchPayload;

test('while events are being handled, however long, the group hears that this member lives', async (t) => {
  const handling = Promise.withResolvers<void>();
  const { run } = running(() => handling.promise);
  let beats = 0;
  const done = run.batch(batch(async () => void beats++));
  for (let turn = 1; turn <= 20; turn++) {
    mock.timers.tick(HEARTBEAT_EVERY_MS);
    t.is(beats, turn);
  }
  handling.resolve();
  await done;
  const after = beats;
  mock.timers.tick(10 * HEARTBEAT_EVERY_MS);
  t.is(beats, after, 'and no longer');
  await run.end();
});

test('a member that the group has given up handles no more, commits what it has, and joins again', async (t) => {
  let aliveAfter: boolean | undefined;
  const { run, committed } = running(async ({ alive, handled }) => {
    handled('16');
    mock.timers.tick(HEARTBEAT_EVERY_MS);
    await Promise.resolve();
    await Promise.resolve();
    aliveAfter = alive();
  });
  const given = new Error('the coordinator is not aware of this member');
  let beats = 0;
  const heartbeat = async (): Promise<void> => {
    if (++beats === 1) throw given;
  };
  await t.throwsAsync(run.batch(batch(heartbeat)), { is: given });
  t.false(aliveAfter);
  t.deepEqual(committed, [[{ topic: 'test.events', partition: 0, offset: '17' }]]);
  await run.end();
});

test('what was handled before a rebalance is not committed after it: another member may be further', async (t) => {
  const { run, committed, tell } = running(async ({ handled }) => handled('16'));
  await run.batch(batch());
  tell(EVENTS.REBALANCING);
  t.false(run.joined);
  tell(EVENTS.GROUP_JOIN);
  mock.timers.tick(60_000);
  await run.end();
  t.deepEqual(committed, []);

  const settled = running(async ({ handled }) => handled('16'));
  await settled.run.batch(batch());
  await settled.run.end();
  t.deepEqual(settled.committed, [[{ topic: 'test.events', partition: 0, offset: '17' }]], 'without one it is');
});

test('a partition that stood is not told of after a rebalance: it may be another member’s, who sees for itself', async (t) => {
  const { run, standstills, tell } = running();
  standstills.failed('test.events/0', { topic: 'test.events', partition: 0, offset: '16' }, new Error('away'));
  t.truthy(standstills.describe());
  tell(EVENTS.REBALANCING);
  t.is(standstills.describe(), undefined);
  await run.end();
});

test('who stops begins with nothing more of its batch, and commits what was handled', async (t) => {
  const handling = Promise.withResolvers<void>();
  const alive: boolean[] = [];
  const { run, committed } = running(async (control) => {
    alive.push(control.alive());
    await handling.promise;
    control.handled('16');
    alive.push(control.alive());
  });
  const done = run.batch(batch());
  const ended = run.end();
  handling.resolve();
  await Promise.all([done, ended]);
  t.deepEqual(alive, [true, false]);
  t.deepEqual(committed, [[{ topic: 'test.events', partition: 0, offset: '17' }]]);
});

test('a consumer that has no answer for half a minute is given up; one that has is not', async (t) => {
  const { run, tell } = running();
  let ended: Error | undefined;
  run.ended.catch((error: Error) => {
    ended = error;
  });
  const passes = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) mock.timers.tick(1_000);
    await new Promise(setImmediate);
  };
  for (let turn = 0; turn < 5; turn++) {
    await passes(20);
    tell(EVENTS.HEARTBEAT);
  }
  t.is(ended, undefined);
  await passes(40);
  t.regex(ended?.message ?? '', /hangs/);
  await run.end();
});

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { metrics } from '#platform/process/telemetry.ts';
import { HashQueue, type Lane, type Turn } from './hash-queue.ts';

const ONE: Turn = ['registration'];

/** A queue whose every hash ends when the test says so, and what ran and was refused, in order. */
function held(concurrency: number, places: number) {
  const queue = new HashQueue(concurrency, places);
  const ran: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const all: Promise<unknown>[] = [];
  const ask = (name: string, turn: Turn, signal?: AbortSignal): void => {
    const work = () => {
      ran.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    };
    all.push(queue.run(turn, work, signal).catch(({ code }: MusubiError) => refused.push(`${name} ${code}`)));
  };
  const tick = () => new Promise((resolve) => setImmediate(resolve));
  /** Ends one hash after the other until nobody waits. */
  const drain = async () => {
    for (let end = ends.shift(); end; end = ends.shift()) {
      end();
      await tick();
    }
    await Promise.all(all);
  };
  return { ask, tick, drain, ran, refused };
}

test('no more run at once than allowed, in order; one too many is refused', async (t) => {
  const queue = new HashQueue(2, 3);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const work = (id: number) => async () => {
    most = Math.max(most, ++running);
    order.push(id);
    await sleep(5);
    running--;
  };
  const accepted = [1, 2, 3, 4, 5].map((id) => queue.run(ONE, work(id)));
  const error = await t.throwsAsync(queue.run(ONE, work(6)), { code: 'TOO_BUSY' });
  t.like(error, { retryable: true, retryAfterSeconds: 1 });
  await Promise.all(accepted);
  t.is(most, 2);
  t.deepEqual(order, [1, 2, 3, 4, 5]);
  await t.notThrowsAsync(queue.run(ONE, work(7)), 'and free again');
});

test('a caller that gives up while waiting leaves the queue', async (t) => {
  const queue = new HashQueue(1, 1);
  const first = queue.run(ONE, () => sleep(20));
  const abort = new AbortController();
  const second = queue.run(ONE, () => Promise.resolve(t.fail('must not run')), abort.signal);
  abort.abort();
  await t.throwsAsync(second, { code: 'CALLER_GONE' });
  t.is(await queue.run(ONE, async () => 'third'), 'third', 'its place is free');
  await first;
  await t.throwsAsync(
    queue.run(ONE, async () => t.fail('nobody waits'), abort.signal),
    { code: 'CALLER_GONE' },
  );
});

test('who has waited for too long is told so, and its place is free', async (t) => {
  const queue = new HashQueue(1, 1, 50);
  const hash = Promise.withResolvers<void>();
  const running = queue.run(ONE, () => hash.promise);
  for (let i = 0; i < 2; i++)
    await t.throwsAsync(
      queue.run(ONE, async () => t.fail('too late')),
      { code: 'TOO_BUSY' },
    );
  const next = queue.run(ONE, async () => 'in time');
  hash.resolve();
  await running;
  t.is(await next, 'in time');
});

test('a failure frees its turn', async (t) => {
  const queue = new HashQueue(1, 1);
  await t.throwsAsync(
    queue.run(ONE, () => Promise.reject(new Error('no memory'))),
    { message: 'no memory' },
  );
  t.is(await queue.run(ONE, async () => 1), 1);
});

test('lanes, sources and logins take turns, however much one of them brings', async (t) => {
  const { ask, drain, ran } = held(1, 64);
  ask('running', ['unknown', 'a', 'x']);
  for (let i = 0; i < 4; i++) ask('flood', ['unknown', 'a', 'x']);
  ask('another login', ['unknown', 'a', 'y']);
  ask('another source', ['unknown', 'b', 'x']);
  ask('known', ['known', 'a', 'z']);
  ask('registration', ['registration']);
  await drain();
  t.deepEqual(ran, [
    ...['running', 'flood', 'known', 'registration', 'another source', 'another login'],
    ...['flood', 'flood', 'flood'],
  ]);
});

test('100 bogus logins at once from one source leave places for everybody, also for others of that source', async (t) => {
  for (const bogus of [() => 'nobody', (i: number) => `nobody-${i}`]) {
    const { ask, drain, ran, refused } = held(1, 64);
    for (let i = 0; i < 100; i++) ask('bogus', ['unknown', 'evil', bogus(i)]);
    ask('known at the same source', ['known', 'evil', 'admin']);
    ask('elsewhere', ['unknown', 'home', 'hana']);
    ask('registration', ['registration']);
    await drain();
    t.deepEqual([...new Set(refused)], ['bogus TOO_BUSY']);
    t.true(ran.indexOf('elsewhere') < 6, ran.slice(0, 6).join());
    for (const name of ['known at the same source', 'registration']) t.true(ran.indexOf(name) < 4, ran.slice(0, 6).join());
  }
});

test('who has few waiting takes the place of who came last for those that have most', async (t) => {
  const { ask, drain, ran, refused } = held(1, 16);
  ask('running', ['unknown', 'z', 'z']);
  for (const source of ['a', 'b']) {
    for (let i = 0; i < 8; i++) ask(`${source}${i}`, ['unknown', source, `login ${i % 4}`]);
  }
  t.deepEqual(refused, []);
  ask('c', ['unknown', 'c', 'x']);
  ask('a of another login', ['unknown', 'a', 'y']);
  ask('a of the same login', ['unknown', 'a', 'login 0']);
  await drain();
  t.deepEqual(refused.length, 3);
  t.true(refused.includes('a of the same login TOO_BUSY'), 'who has most already gets no more');
  t.true(ran.includes('c') && ran.includes('a of another login'));
  for (const first of ['a0', 'b0', 'a1', 'b1']) t.true(ran.includes(first), `${first} came before the others`);
});

test('a source and a login hold no more than their share', async (t) => {
  const { ask, drain, refused } = held(1, 16);
  ask('running', ['unknown', 'z', 'z']);
  for (let i = 0; i < 3; i++) ask(`same ${i}`, ['unknown', 'a', 'x']);
  t.deepEqual(refused, []);
  await Promise.resolve();
  for (let i = 0; i < 10; i++) ask(`login ${i}`, ['unknown', 'b', `l${i}`]);
  await drain();
  t.deepEqual(refused.sort(), ['login 8 TOO_BUSY', 'login 9 TOO_BUSY', 'same 2 TOO_BUSY']);
});

test.serial('the places of callers who left are free at once, in every lane', async (t) => {
  const { ask, tick, drain, ran } = held(1, 64);
  const left = new AbortController();
  const lanes: Lane[] = ['unknown', 'known', 'registration'];
  const waiting = async () => {
    const { values } = (await metrics.getMetricsAsJSON()).find(({ name }) => name === 'musubi_auth_hash_queue') ?? { values: [] };
    return lanes.map((lane) => values.find(({ labels }) => labels.lane === lane)?.value);
  };
  ask('running', ['unknown', 'a', 'x']);
  for (let i = 0; i < 80; i++) for (const lane of lanes) ask('gone', [lane, 's', `l${i}`], left.signal);
  t.deepEqual(await waiting(), [32, 32, 32]);
  left.abort();
  await tick();
  t.deepEqual(await waiting(), [0, 0, 0]);
  ask('here', ['unknown', 's', 'l0']);
  await drain();
  t.deepEqual(ran, ['running', 'here']);
});

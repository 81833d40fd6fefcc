import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Batcher } from './batcher.ts';

/** A batcher whose sendings end when the test says so. */
function held(most: number, gatherMs = 0) {
  const sent: number[][] = [];
  const ends: ((error?: Error) => void)[] = [];
  const batcher = new Batcher<number>(
    (items) => {
      sent.push(items);
      return new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve())));
    },
    most,
    gatherMs,
  );
  return { batcher, sent, end: (error?: Error) => ends.shift()?.(error) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test('what comes while one sending is under way goes together with the next, in order, never more than may', async (t) => {
  const { batcher, sent, end } = held(3);
  t.true(batcher.idle);
  for (const item of [1, 2]) batcher.push(item);
  await turn();
  t.deepEqual(sent, [[1, 2]], 'at once, what comes in one turn together');
  t.false(batcher.idle);
  for (const item of [3, 4, 5, 6, 7]) batcher.push(item);
  await turn();
  t.deepEqual(sent, [[1, 2]], 'one at a time');
  end();
  await turn();
  t.deepEqual(sent, [
    [1, 2],
    [3, 4, 5],
  ]);
  t.false(batcher.idle);
  end();
  await turn();
  t.deepEqual(sent.at(-1), [6, 7]);
  end();
  await turn();
  t.true(batcher.idle);
});

test('the source pauses at four times the most, and goes on when there is room', async (t) => {
  const { batcher, end } = held(2);
  batcher.push(0);
  await turn();
  for (let item = 1; item <= 7; item++) batcher.push(item);
  t.false(batcher.full);
  await batcher.room();
  batcher.push(8);
  t.true(batcher.full);
  let room = false;
  const waiting = batcher.room().then(() => {
    room = true;
  });
  await turn();
  t.false(room);
  end();
  await turn();
  t.false(room, 'not before a sending has ended behind which there is room');
  end();
  await waiting;
  t.false(batcher.full);
});

test('after a failure nothing is sent, nobody waits for room, and what was not sent does not count as sent', async (t) => {
  const { batcher, sent, end } = held(1);
  for (let item = 0; item < 6; item++) batcher.push(item);
  const room = batcher.room();
  await turn();
  end(new Error('away'));
  await t.throwsAsync(batcher.failed, { message: 'away' });
  await room;
  batcher.push(9);
  await turn();
  t.deepEqual(sent, [[0]]);
  t.false(batcher.idle);
  await batcher.close();
});

test('closing waits for what is under way and forgets the rest', async (t) => {
  const { batcher, sent, end } = held(1);
  for (let item = 0; item < 6; item++) batcher.push(item);
  const room = batcher.room();
  await turn();
  let closed = false;
  const closing = batcher.close().then(() => {
    closed = true;
  });
  await room;
  await turn();
  t.false(closed);
  end();
  await closing;
  t.deepEqual(sent, [[0]]);
  t.false(batcher.idle);
});

test('one that gathers waits for more, unless it is to send now', async (t) => {
  const { batcher, sent, end } = held(10, 60_000);
  batcher.push(1);
  await sleep(20);
  batcher.push(2);
  t.deepEqual(sent, []);
  t.false(batcher.idle);
  const flushed = batcher.flush();
  await turn();
  t.deepEqual(sent, [[1, 2]]);
  end();
  await flushed;
  t.true(batcher.idle);
  await batcher.flush();
  batcher.push(3);
  await turn();
  t.deepEqual(sent, [[1, 2]], 'it gathers again');
  await Promise.all([batcher.close(), turn().then(() => end())]);

  const soon = held(10, 30);
  soon.batcher.push(1);
  await sleep(60);
  t.deepEqual(soon.sent, [[1]]);
  soon.end();
});

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { Loader } from './loader.ts';

/** A loader of squares whose reads end when they are let go. */
function squares(most?: number, patienceMs = Number.POSITIVE_INFINITY, weigh?: (key: number) => number) {
  const reads: { keys: number[]; end: (error?: Error) => void }[] = [];
  const loader = new Loader<number, number>(
    (keys) =>
      new Promise((resolve, reject) => {
        reads.push({ keys, end: (error) => (error ? reject(error) : resolve(keys.map((key) => key * key))) });
      }),
    most,
    patienceMs,
    weigh,
  );
  return { loader, reads };
}

test('what is asked for in one turn is read together', async (t) => {
  const { loader, reads } = squares();
  const asked = Promise.all([1, 2, 3].map((key) => loader.load(key)));
  await turn();
  t.deepEqual(
    reads.map(({ keys }) => keys),
    [[1, 2, 3]],
  );
  reads[0]?.end();
  t.deepEqual(await asked, [1, 4, 9]);
});

test('who asks while a read is under way is answered by one that begins later', async (t) => {
  const { loader, reads } = squares();
  const first = loader.load(1);
  await turn();
  const later = [loader.load(1), loader.load(2)];
  await turn();
  t.is(reads.length, 1, 'not by a second one beside it');
  reads[0]?.end();
  t.is(await first, 1);
  await turn();
  t.deepEqual(reads[1]?.keys, [1, 2], 'though the same was just read');
  reads[1]?.end();
  t.deepEqual(await Promise.all(later), [1, 4]);
  const last = loader.load(5);
  await turn();
  reads[2]?.end();
  t.is(await last, 25);
});

test('no read has more than its most, and what is more does not wait for it', async (t) => {
  const { loader, reads } = squares(2);
  const asked = [1, 2, 3, 4, 5].map((key) => loader.load(key));
  await turn();
  t.deepEqual(
    reads.map(({ keys }) => keys),
    [[1, 2], [3, 4], [5]],
  );
  for (const { end } of reads) end();
  t.deepEqual(await Promise.all(asked), [1, 4, 9, 16, 25]);
});

test('a read that fails fails for those who asked, and for nobody else', async (t) => {
  const { loader, reads } = squares();
  const first = t.throwsAsync(Promise.all([loader.load(1), loader.load(2)]), { message: 'away' });
  await turn();
  const second = loader.load(3);
  reads[0]?.end(new Error('away'));
  await first;
  await turn();
  reads[1]?.end();
  t.is(await second, 9);
});

test('a read that hangs holds up nobody who comes later', async (t) => {
  const { loader, reads } = squares(undefined, 5);
  const hanging = loader.load(1);
  await turn();
  await sleep(20);
  const late = loader.load(3);
  t.deepEqual(
    reads.map(({ keys }) => keys),
    [[1], [3]],
  );
  reads[1]?.end();
  t.is(await late, 9);
  reads[0]?.end();
  t.is(await hanging, 1);
  await turn();
  const after = loader.load(4);
  await turn();
  t.deepEqual(reads[2]?.keys, [4]);
  reads[2]?.end();
  t.is(await after, 16);
});

test('how long a read is waited for is counted from its own begin', async (t) => {
  const { loader, reads } = squares(undefined, 300);
  const asked = [loader.load(1)];
  await turn();
  asked.push(loader.load(2));
  await sleep(400);
  reads[0]?.end();
  await asked[0];
  await turn();
  asked.push(loader.load(3));
  t.deepEqual(
    reads.map(({ keys }) => keys),
    [[1], [2]],
  );
  reads[1]?.end();
  await asked[1];
  await turn();
  reads[2]?.end();
  t.deepEqual(await Promise.all(asked), [1, 4, 9]);
});

test('an answer that has not one value for each key is no answer to anybody', async (t) => {
  const loader = new Loader<number, number>(async ([first = 0]) => [first]);
  const [one, other] = [loader.load(1), loader.load(2)];
  await t.throwsAsync(one, { message: '2 were asked for, 1 were read' });
  await t.throwsAsync(other, { message: '2 were asked for, 1 were read' });
});

test('nothing is read where full reads have taken everybody along', async (t) => {
  const { loader, reads } = squares(2);
  const asked = Promise.all([1, 2, 3, 4].map((key) => loader.load(key)));
  await turn();
  t.is(reads.length, 2);
  for (const { end } of reads) end();
  t.deepEqual(await asked, [1, 4, 9, 16]);
  const next = loader.load(5);
  await turn();
  reads[2]?.end();
  t.is(await next, 25);
});

test('what weighs more shares its read with fewer, and what weighs all with nobody', async (t) => {
  const { loader, reads } = squares(10, undefined, (key) => key);
  const asked = Promise.all([1, 10, 4, 4, 4, 25, 2].map((key) => loader.load(key)));
  await turn();
  t.deepEqual(
    reads.map(({ keys }) => keys),
    [[1], [10], [4, 4], [4], [25], [2]],
  );
  for (const { end } of reads) end();
  t.deepEqual(await asked, [1, 100, 16, 16, 16, 625, 4]);
});

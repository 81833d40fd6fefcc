import test from 'ava';
import { MusubiError } from '../errors.ts';
import { Turns, type TurnsOptions } from './turns.ts';

/** Turns whose every work ends when the test says so; what ran and what was refused, in order. */
function held(atOnce: number, options: TurnsOptions = {}) {
  const turns = new Turns(atOnce, options);
  const ran: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const all: Promise<void>[] = [];
  const ask = (work: string, name?: string, signal?: AbortSignal): void => {
    const run = (): Promise<void> => {
      ran.push(work);
      return new Promise((end) => ends.push(end));
    };
    const turn = { ...(name === undefined ? {} : { name }), signal };
    all.push(turns.take(run, turn).catch((error: MusubiError) => void refused.push(`${work} ${error.code}`)));
  };
  const tick = () => new Promise((resolve) => setImmediate(resolve));
  const drain = async (): Promise<void> => {
    for (let end = ends.shift(); end; end = ends.shift()) {
      end();
      await tick();
    }
    await Promise.all(all);
  };
  return { ask, drain, tick, ran, refused };
}

test('no more run at once than may, and the others in their order', async (t) => {
  const { ask, drain, ran, refused } = held(2);
  for (const work of ['1', '2', '3', '4']) ask(work);
  t.deepEqual(ran, ['1', '2']);
  await drain();
  t.deepEqual(ran, ['1', '2', '3', '4']);
  t.deepEqual(refused, []);
});

test('names take turns, however much one of them brings', async (t) => {
  const { ask, drain, ran } = held(1);
  for (const work of ['a1', 'a2', 'a3', 'a4']) ask(work, 'a');
  ask('b1', 'b');
  ask('c1', 'c');
  ask('b2', 'b');
  await drain();
  t.deepEqual(ran, ['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

test('when all places are taken, who has most waiting gives way to who has fewer', async (t) => {
  const { ask, drain, tick, ran, refused } = held(1, { places: 3 });
  for (const work of ['a0', 'a1', 'a2', 'a3', 'a4']) ask(work, 'a');
  await tick();
  t.deepEqual(refused, ['a4 TOO_BUSY']);
  ask('b1', 'b');
  await tick();
  t.deepEqual(refused, ['a4 TOO_BUSY', 'a3 TOO_BUSY']);
  ask('b2', 'b');
  await tick();
  t.deepEqual(refused.slice(2), ['b2 TOO_BUSY'], 'it would have as many');
  await drain();
  t.deepEqual(ran, ['a0', 'a1', 'b1', 'a2']);
});

test('who leaves, or waits too long, gives its place up and is never worked for', async (t) => {
  const { ask, drain, tick, ran, refused } = held(1, { places: 2, longestWaitMs: 50 });
  const left = new AbortController();
  ask('a0', 'a');
  ask('a1', 'a', left.signal);
  ask('a2', 'a');
  left.abort();
  await tick();
  t.deepEqual(refused, ['a1 CALLER_GONE']);
  ask('a3', 'a', left.signal);
  ask('a4', 'a');
  while (refused.length < 4) await tick();
  t.deepEqual(refused.slice(1), ['a3 CALLER_GONE', 'a2 TOO_BUSY', 'a4 TOO_BUSY']);
  ask('a5', 'a');
  await drain();
  t.deepEqual(ran, ['a0', 'a5']);
});

test('work that fails hands its turn on', async (t) => {
  const turns = new Turns(1);
  const failing = turns.take(() => Promise.reject(new Error('as it does')));
  const next = turns.take(async () => 'next');
  await t.throwsAsync(failing, { message: 'as it does' });
  t.is(await next, 'next');
  await t.throwsAsync(
    turns.take(async () => t.fail(), { signal: AbortSignal.abort() }),
    {
      instanceOf: MusubiError,
      code: 'CALLER_GONE',
    },
  );
});

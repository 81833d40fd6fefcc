import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { pino } from 'pino';
import { unavailable } from '../errors.ts';
import { whenAborted } from './abort.ts';
import { Backoff } from './backoff.ts';
import { type LoopOptions, type Run, startLoop } from './loop.ts';

/** A loop with short pauses, and what it logs above `debug`. */
function begin(work: (run: Run) => Promise<unknown>, options: Partial<LoopOptions> = {}) {
  const lines: { level: number; msg: string; reason?: string }[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const loop = startLoop(work, { name: 'the work', log, firstPauseMs: 1, longestPauseMs: 2, ...options });
  return { loop, said: () => lines.map(({ msg, reason }) => (reason === undefined ? msg : `${msg}: ${reason}`)) };
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await sleep(1);
}

const FAILED = 'the work failed, and is tried until it succeeds';

test('what fails is tried until it succeeds; a problem is logged once until it changes, and so is its end', async (t) => {
  const failures = ['refused', 'refused', 'refused', 'reset', 'reset', 'refused'];
  let runs = 0;
  const { loop, said } = begin(
    async () => {
      const failure = failures[runs++];
      if (failure) throw unavailable('STORE_UNAVAILABLE', 'it is away', { cause: new Error(failure) });
    },
    { everyMs: 1 },
  );
  await until(() => loop.problem === 'It is away.: refused');
  t.throws(() => loop.check(), { message: 'It is away.: refused' }, 'with the reason that operators ask for');
  await until(() => runs > failures.length + 2);
  t.notThrows(() => loop.check());
  t.is(loop.problem, undefined);
  await loop.stop();
  t.deepEqual(said(), [
    `${FAILED}: It is away.: refused`,
    `${FAILED}: It is away.: reset`,
    `${FAILED}: It is away.: refused`,
    'the work succeeds again',
  ]);
});

test('work that lasts says itself that it works: its problem is over then', async (t) => {
  let runs = 0;
  const { loop, said } = begin(async ({ signal, works }) => {
    if (++runs === 1) throw new Error('refused');
    await sleep(5);
    works();
    await whenAborted(signal);
  });
  await until(() => runs === 2);
  t.is(loop.problem, 'refused', 'not before it says so');
  await until(() => loop.problem === undefined);
  await loop.stop();
  t.is(runs, 2);
  t.deepEqual(said(), [`${FAILED}: refused`, 'the work succeeds again']);
});

test('work that has never succeeded is a problem, unless its caller has done it once', async (t) => {
  let runs = 0;
  const now = begin(({ signal }) => whenAborted(signal));
  t.throws(() => now.loop.check(), { message: 'it has just begun' });
  const later = begin(async () => runs++, { everyMs: 60_000, later: true });
  t.notThrows(() => later.loop.check());
  await Promise.all([now.loop.stop(), later.loop.stop()]);
  t.is(runs, 0, 'it was not due yet');
});

test('a stop ends a pause at once, and waits for what runs, but not longer than it should', async (t) => {
  const begun = performance.now();
  const pausing = begin(() => Promise.reject(new Error('refused')), { firstPauseMs: 60_000, longestPauseMs: 60_000 });
  await until(() => pausing.loop.problem === 'refused');
  await pausing.loop.stop();

  let ended = false;
  const ending = begin(async ({ signal }) => {
    await whenAborted(signal);
    await sleep(20);
    ended = true;
    throw new Error('of the stop itself');
  });
  await ending.loop.stop();
  t.true(ended);
  t.deepEqual(ending.said(), [], 'what fails of a stop is no news');

  const hanging = begin(() => new Promise(() => undefined));
  await hanging.loop.stop(10);
  t.true(performance.now() - begun < 30_000);
});

test('pauses double up to the longest, each up to a half shorter, and begin with the first after what has worked', (t) => {
  const backoff = new Backoff(100, 1_000);
  const within = (pause: number, longest: number) => t.true(pause > longest / 2 && pause <= longest, `${pause} of ${longest}`);
  for (const longest of [100, 200, 400, 800, 1_000, 1_000]) within(backoff.next(), longest);
  within(backoff.next(29_000), 1_000);
  within(backoff.next(31_000), 100);
  within(backoff.next(), 200);
  backoff.reset();
  within(backoff.next(), 100);
  t.true(new Set(Array.from({ length: 20 }, () => new Backoff().next())).size > 1, 'not all at the same moment');
});

test('work that succeeds from time to time begins with the first pause at each failure', async (t) => {
  let runs = 0;
  const failing = async () => {
    if (runs++ % 2 === 0) throw new Error('refused');
  };
  const { loop } = begin(failing, { everyMs: 1, firstPauseMs: 10, longestPauseMs: 60_000 });
  const begun = performance.now();
  await until(() => runs === 24);
  await loop.stop();
  t.true(performance.now() - begun < 10_000, 'doubled twelve times, the pauses would take 20 s at least');
});

test('without an interval, work that ends by itself has lost something: it pauses as after a failure', async (t) => {
  let runs = 0;
  const { loop } = begin(async () => runs++, { firstPauseMs: 20, longestPauseMs: 60_000 });
  const begun = performance.now();
  await until(() => runs === 4);
  await loop.stop();
  t.true(performance.now() - begun >= 10 + 20 + 40);
});

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { whenAborted } from '../concurrency/abort.ts';
import { until } from '../until.fixture.ts';
import { type LeaseStore, underLease } from './lease.ts';

interface Held extends LeaseStore {
  owner: string | undefined;
  taken: number[];
  answer: 'yes' | 'no' | 'error' | 'silence';
}

function store(): Held {
  const held: Held = {
    owner: undefined,
    taken: [],
    answer: 'yes',
    take: async (owner, ms) => {
      held.taken.push(ms);
      if (held.answer === 'silence') return new Promise(() => undefined);
      if (held.answer === 'error') throw new Error('away');
      if (held.answer === 'yes') held.owner = owner;
      return held.answer === 'yes';
    },
    release: async (owner) => {
      if (held.owner === owner) held.owner = undefined;
    },
  };
  return held;
}

const never = new AbortController().signal;
const nothing = async (): Promise<void> => undefined;

test('work goes on for as long as the lease is renewed, which is given back at its end', async (t) => {
  const held = store();
  await underLease(held, never, nothing, async (signal) => {
    await until(() => held.taken.length >= 4);
    t.false(signal.aborted);
    t.truthy(held.owner);
  });
  t.is(held.owner, undefined);
  t.deepEqual(held.taken, [5_000, 5_000, 5_000, 5_000]);
  await sleep(2_000);
  t.is(held.taken.length, 4, 'and not taken again');
});

test('who does not get it stands by until it does', async (t) => {
  const held = store();
  held.answer = 'no';
  let stood = 0;
  let worked = false;
  const standBy = async (): Promise<void> => {
    t.false(worked);
    if (++stood === 2) held.answer = 'yes';
  };
  await underLease(held, never, standBy, async () => {
    worked = true;
  });
  t.is(stood, 2);
  t.true(worked);
});

test('who stands by stops when it should', async (t) => {
  const held = store();
  held.answer = 'no';
  await underLease(held, AbortSignal.timeout(200), nothing, () => Promise.reject(new Error('worked')));
  t.pass();
});

for (const [answer, message] of [
  ['no', 'another relay has taken the lease'],
  ['error', 'away'],
  ['silence', 'the store does not answer'],
] as const) {
  test(`a lease that is lost (${answer}) ends the work, and is an error`, async (t) => {
    const held = store();
    let ended = false;
    await t.throwsAsync(
      underLease(held, never, nothing, async (signal) => {
        held.answer = answer;
        await whenAborted(signal);
        ended = true;
      }),
      { message },
    );
    t.true(ended);
  });
}

test('a store that does not answer who wants the lease, or stands by, is an error', async (t) => {
  const held = store();
  held.answer = 'silence';
  await t.throwsAsync(underLease(held, never, nothing, nothing), { message: 'the store does not answer' });
  held.answer = 'no';
  const hangs = (): Promise<void> => new Promise(() => undefined);
  await t.throwsAsync(underLease(held, never, hangs, nothing), { message: 'the store does not answer' });
});

test('what fails, or hangs when it should end, gives the lease back', async (t) => {
  const held = store();
  await t.throwsAsync(
    underLease(held, never, nothing, () => Promise.reject(new Error('failed'))),
    { message: 'failed' },
  );
  t.is(held.owner, undefined);
  const begun = Date.now();
  await underLease(held, AbortSignal.timeout(100), nothing, () => new Promise(() => undefined));
  t.true(Date.now() - begun > 5_000, 'after it had time to end');
  t.is(held.owner, undefined);
});

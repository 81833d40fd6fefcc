import test from 'ava';
import { InFlight } from './in-flight.ts';
import { snapshotSees } from './postgres-outbox.ts';

const same = (row: string): string => row;

test('a sweep passes over what is under way, and over what has left since it began', async (t) => {
  const inFlight = new InFlight();
  inFlight.reported(['sent', 'refused', 'queued']);
  inFlight.ended(['refused']);
  const met: string[] = [];
  async function* pages(): AsyncGenerator<string[]> {
    t.true(inFlight.sweeping);
    yield ['refused', 'sent', 'old'];
    inFlight.reported(['new']);
    inFlight.ended(['sent', 'new', 'old']);
    yield ['new', 'queued'];
    yield ['missed'];
  }
  for await (const rows of inFlight.sweep(pages(), same)) met.push(...rows);
  t.deepEqual(met, ['refused', 'old', 'missed']);
  t.false(inFlight.sweeping);
});

test('what a sweep has found is under way until it is out of the outbox, and is found by a later one if it stays', async (t) => {
  const inFlight = new InFlight();
  const sweep = async (...rows: string[]): Promise<string[]> => {
    const met: string[] = [];
    async function* pages(): AsyncGenerator<string[]> {
      yield rows;
    }
    for await (const page of inFlight.sweep(pages(), same)) met.push(...page);
    return met;
  };
  t.deepEqual(await sweep('a', 'b'), ['a', 'b']);
  t.deepEqual(await sweep('a', 'b', 'c'), ['c']);
  inFlight.ended(['b']);
  t.deepEqual(await sweep('a', 'b', 'c'), ['b']);
});

test('a snapshot sees a transaction that has ended, whichever half of 64 bits the log names', (t) => {
  const beyond = 3n * 2n ** 32n;
  for (const base of [0n, beyond]) {
    const snapshot = `${base + 100n}:${base + 105n}:${base + 100n},${base + 103n}`;
    for (const [xid, sees] of [
      [99, true],
      [100, false],
      [101, true],
      [103, false],
      [104, true],
      [105, false],
      [106, false],
    ] as const) {
      t.is(snapshotSees(snapshot, xid), sees, `${snapshot} ${xid}`);
    }
  }
  // Just behind and just before the lower half begins again.
  t.true(snapshotSees(`${beyond + 1n}:${beyond + 1n}:`, 2 ** 32 - 1));
  t.false(snapshotSees(`${beyond - 1n}:${beyond - 1n}:`, 3));
  t.false(snapshotSees(`${beyond - 9n}:${beyond + 1n}:${beyond - 9n}`, 2 ** 32 - 9));
});

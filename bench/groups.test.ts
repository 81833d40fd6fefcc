import test from 'ava';
import { DEPTHS, MOVE, TREE, titleOf } from './groups/works.ts';
import { missedBy } from './groups.ts';
import type { Series } from './measure.ts';

/** A thousand of them, each of which takes so long, and as much of CPU. */
function measured(name: string, ms: number, { perSecond = 2_500, cpu = 0.5 } = {}): Series {
  const count = 1_000;
  const times = Array.from({ length: count }, () => ms);
  return {
    name,
    concurrency: 20,
    times,
    seconds: count / perSecond,
    cpu: { Auth: (count * cpu) / 2, MongoDB: (count * cpu) / 2 },
  };
}
const MET = [...DEPTHS.map((depth) => measured(titleOf(depth), 8)), measured(TREE, 900), measured(MOVE, 1_900)];
const with_ = (...others: Series[]): Series[] => MET.map((one) => others.find(({ name }) => name === one.name) ?? one);

test('aims that are met are none that are missed', (t) => {
  t.deepEqual(missedBy(MET), []);
});

test('what misses an aim is named, with what it is and what it was to be', (t) => {
  const [, at10 = 0] = DEPTHS;
  for (const [others, missed] of [
    [
      DEPTHS.map((depth) => measured(titleOf(depth), 8, { perSecond: 1_900 })),
      ['checks/s, at the slowest depth: 1900, aim ≥ 2000'],
    ],
    [
      DEPTHS.map((depth) => measured(titleOf(depth), 8, { cpu: 0.9 })),
      ['CPU ms of a check, at the dearest depth: 0.90, aim ≤ 0.8'],
    ],
    [[measured(titleOf(at10), 8, { perSecond: 2_200 })], ['between depths, of the time of a check, %: 14, aim ≤ 10']],
    [[measured(titleOf(at10), 8, { cpu: 0.6 })], ['between depths, of the CPU of a check, %: 20, aim ≤ 10']],
    [[measured(TREE, 1_001)], ['the whole tree, ms, the slowest: 1001, aim ≤ 1000']],
    [[measured(MOVE, 2_001)], ['move of all that is in the branch, ms, the slowest: 2001, aim ≤ 2000']],
  ] as const)
    t.deepEqual(missedBy(with_(...others)), missed);
});

import test from 'ava';
import { neverEnded, slowest } from './file-times.ts';

test('a run tells what its files took together, and which ten took longest', (t) => {
  const took = Array.from({ length: 12 }, (_, i) => ({ file: `${i}.test.ts`, seconds: i, cpuSeconds: 0.5 }));
  const [sum, first, ...others] = slowest(took.map((one) => `${JSON.stringify(one)}\n`).join(''));
  t.is(sum, '12 files took 66 s, and 6 s of CPU; the slowest:');
  t.is(first, '  11.0 s    0.5 s of CPU  11.test.ts');
  t.is(others.length, 9);
});

test('a run tells which files began and did not end by themselves', (t) => {
  const told = [{ began: 'a.test.ts' }, { began: 'b.test.ts' }, { file: 'b.test.ts', seconds: 1, cpuSeconds: 1 }];
  t.deepEqual(neverEnded(told.map((one) => `${JSON.stringify(one)}\n`).join('')), ['a.test.ts']);
  t.deepEqual(neverEnded(''), []);
});

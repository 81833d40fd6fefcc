import test from 'ava';
import { Refused } from './refused.ts';
import { Waiting } from './waiting.ts';

test('the same oldest event for 10 s is overdue, and is to be sent each 10 s', (t) => {
  const waiting = new Waiting();
  const looks: [seconds: number, oldest: string | undefined, due: boolean, overdue: boolean][] = [
    [0, 'a', false, false],
    [9.9, 'a', false, false],
    [10, 'a', true, true],
    [13, 'a', false, true],
    [19.9, 'a', false, true],
    [20, 'a', true, true],
    [21, 'b', false, false],
    [30.9, 'b', false, false],
    [31, undefined, false, false],
    [99, undefined, false, false],
    [100, 'b', false, false],
    [110, 'b', true, true],
    [111, undefined, false, false],
  ];
  for (const [seconds, oldest, due, overdue] of looks) {
    t.is(waiting.look(oldest, seconds * 1_000), due, `${seconds} s`);
    t.is(waiting.overdue, overdue, `${seconds} s`);
  }
});

test('what is refused is told once, tried again after its pause, and forgotten when it is sent or no longer met', (t) => {
  const refused = new Refused();
  t.true(refused.add('a', 'too large', 30_000, 0));
  t.false(refused.add('a', 'too large', 30_000, 1_000));
  t.true(refused.add('a', 'no event', 30_000, 2_000));
  t.deepEqual(refused.reasons(2_000), ['no event']);
  t.true(refused.pauses('a', 31_999));
  t.false(refused.pauses('a', 32_000));
  t.false(refused.pauses('b', 2_000));
  t.true(refused.has('a'));
  refused.sent('a');
  t.false(refused.has('a'));
  t.deepEqual(refused.reasons(32_000), []);

  refused.add('b', 'no event', 0, 0);
  t.false(refused.pauses('b', 0));
  refused.pauses('b', 20_000);
  t.deepEqual(refused.reasons(45_000), ['no event']);
  t.deepEqual(refused.reasons(45_001), []);
});

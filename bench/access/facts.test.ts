import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { all, Fact, not, some } from './facts.ts';

const now = (): number => performance.now();

test('from the question to the acknowledgement a fact may be either', async (t) => {
  const fact = new Fact(false);
  const before = now();
  await sleep(2);
  const settle = fact.change(true);
  const asked = now();
  t.is(fact.during(0, before), false);
  t.is(fact.during(before, asked), undefined, 'the change was asked for meanwhile');
  t.is(fact.during(asked, asked), undefined);
  await sleep(2);
  settle(true);
  const acknowledged = now();
  t.is(fact.during(acknowledged, acknowledged + 1), true);
  t.is(fact.during(asked, acknowledged), undefined, 'begun before the acknowledgement');
});

test('a change that was undone leaves what was so', (t) => {
  const fact = new Fact(true);
  fact.change(false)(false);
  t.true(fact.value);
  t.is(fact.during(now(), now()), true);
});

test('of a change that nobody acknowledges nothing is known, until the next one', (t) => {
  const fact = new Fact(true);
  fact.change(false);
  t.is(fact.during(now(), now()), undefined);
  fact.change(true)(true);
  t.is(fact.during(now(), now()), true);
});

test('what is not known counts only where it decides', (t) => {
  t.is(all([false, undefined]), false);
  t.is(all([true, undefined]), undefined);
  t.is(some([true, undefined]), true);
  t.is(some([false, undefined]), undefined);
  t.is(all([]), true);
  t.is(some([]), false);
  t.is(not(undefined), undefined);
});

import test from 'ava';
import type { Author } from '../permitted.ts';
import { isForAsLong } from './giving.ts';

/** An author that was told of these positions, and came to hold others by the time that it is asked. */
function author(without: string[] | undefined, ...others: (string[] | undefined)[]) {
  const asked = { times: 0 };
  const otherTenures = async () => others[Math.min(asked.times++, others.length - 1)];
  return { asked, giver: { without, otherTenures } as Author };
}

/** What it was looked without, each time. @param needed without this it is not so */
function looking(needed = 'needed') {
  const looked: string[][] = [];
  return { looked, look: async (without: readonly string[]) => looked.push([...without]) > 0 && !without.includes(needed) };
}

test('who holds no other positions is looked at once, and what it came to hold is asked for once', async (t) => {
  for (const others of [[], ['ending']]) {
    const { giver, asked } = author(['ending'], others);
    const { look, looked } = looking();
    t.true(await isForAsLong(giver, look));
    t.deepEqual([looked, asked.times], [[['ending']], 1]);
  }
  const { giver, asked } = author(undefined, ['other']);
  t.true(await isForAsLong(giver, looking().look));
  t.is(asked.times, 0, 'of nobody it is asked of whom nothing is said');
});

test('it is looked again without what came to be held until that was asked for, until that is no more', async (t) => {
  const { giver } = author(['ending'], ['one'], ['one', 'one', 'two'], ['one', 'one', 'two']);
  const { look, looked } = looking();
  t.true(await isForAsLong(giver, look));
  t.deepEqual(looked, [['ending'], ['ending', 'one'], ['ending', 'one', 'two']]);
});

test('what is so only by what came to be held meanwhile is to be asked for again, and what is not so at all is not', async (t) => {
  const REVOKED = { code: 'PERMISSION_REVOKED' };
  await t.throwsAsync(isForAsLong(author([], ['one'], ['one', 'needed']).giver, looking().look), REVOKED);
  await t.throwsAsync(isForAsLong(author([], undefined).giver, looking().look), REVOKED, 'nobody knows what it was');
  t.false(await isForAsLong(author(['needed'], undefined).giver, looking().look));
});

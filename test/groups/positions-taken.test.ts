import { randomInt } from 'node:crypto';
import test from 'ava';
import { WAYS } from '../../bench/access/taken.ts';
import { takeAway } from '../../bench/positions.ts';
import { address } from '../client.ts';

// `npm run bench positions` has a thousand rounds of it.

test('by a position that is taken away, however that is done, nothing is done once that is acknowledged', async (t) => {
  const seed = randomInt(2 ** 31);
  t.log(`seed ${seed}`);
  const admin = { loginId: address('MUSUBI_ADMIN_LOGIN_ID'), password: address('MUSUBI_ADMIN_PASSWORD') };
  const { counts, stale, lacked, rounds } = await takeAway(admin, { rounds: 2 * WAYS.length, seed });
  t.deepEqual([stale, lacked], [[], []]);
  t.is(rounds, 2 * WAYS.length);
  for (const [asked, { before, after }] of counts) t.true(before[0] > 0 && after[1] > 0, `${asked} was not raced`);
});

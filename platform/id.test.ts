import test from 'ava';
import { newId, uuidv7 } from './id.ts';

const V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('IDs are UUIDs of version 7, all different', (t) => {
  const ids = Array.from({ length: 1_000 }, () => newId());
  for (const id of ids) t.regex(id, V7);
  t.is(new Set(ids).size, ids.length);
});

test('the fallback makes the same kind, ordered by time', (t) => {
  const ids = [0, 1, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1].map(uuidv7);
  for (const id of ids) t.regex(id, V7);
  t.deepEqual([...ids].sort(), ids);
  t.is(uuidv7(1_700_000_000_000).slice(0, 13), '018bcfe5-6800');
});

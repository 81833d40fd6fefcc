import test from 'ava';
import { newId } from './id.ts';

test('IDs are UUIDs of version 7, all different, ordered by time', async (t) => {
  const ids = Array.from({ length: 1_000 }, () => newId());
  for (const id of ids) t.regex(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.is(new Set(ids).size, ids.length);
  const before = Date.now();
  const made = Number.parseInt(newId().replace('-', '').slice(0, 12), 16);
  t.true(made >= before && made <= Date.now());
});

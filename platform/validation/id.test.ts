import test from 'ava';
import { idMadeOf, idViolation, isId, newId, requireId, sameId } from './id.ts';

test('IDs are UUIDs of version 7, all different, ordered by time', async (t) => {
  const ids = Array.from({ length: 1_000 }, () => newId());
  for (const id of ids) t.regex(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.is(new Set(ids).size, ids.length);
  const before = Date.now();
  const made = Number.parseInt(newId().replace('-', '').slice(0, 12), 16);
  t.true(made >= before && made <= Date.now());
});

test('an ID is a UUID in either case; between services it is as it is kept', (t) => {
  const id = newId();
  for (const good of [id, id.toUpperCase(), '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b']) t.true(isId(good), good);
  for (const bad of [
    '',
    'me',
    `${id} `,
    `${id}\n`,
    id.slice(1),
    id.replaceAll('-', ''),
    `{${id}}`,
    `${id.slice(0, 14)}0${id.slice(15)}`,
  ]) {
    t.false(isId(bad), bad);
    t.truthy(idViolation(bad), bad);
  }
  t.is(requireId('memberId', id), id);
  t.like(
    t.throws(() => requireId('memberId', id.toUpperCase())),
    {
      code: 'INVALID_ARGUMENT',
      fields: [{ field: 'memberId', code: 'WRONG_FORMAT', message: 'must be a UUID in lower case' }],
    },
  );
  t.like(idViolation(''), { code: 'REQUIRED' });
  t.deepEqual([sameId(id.toUpperCase()), sameId('Me')], [id, 'Me']);
});

test('an ID that is made of a text is always the same, of version 8, and another one of another text', (t) => {
  // As it is kept in stores: these bits must never be others.
  t.is(idMadeOf('musubi/positions/root/leader'), '04b0bcee-dbd3-8251-a22d-e8f3db56e3fa');
  const ids = Array.from({ length: 1_000 }, (_, n) => idMadeOf(`musubi/tests/${n}`));
  for (const id of ids) {
    t.regex(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    t.true(isId(id));
  }
  t.is(new Set(ids).size, ids.length);
});

import test from 'ava';
import { nameIn, narrow, type Reference } from './conditions.ts';

const ROLE = { in: [{ type: 'Role', id: 'm1' }] };

test('the condition of one member is that of another by its name', (t) => {
  const kept = { anyOf: [{ ids: ['m1', 'm2'] }, { allOf: [{ hasOwner: true }, { owners: ['m1'] }] }, { not: ROLE }] } as const;
  t.deepEqual(nameIn(kept, 'm1', 'm7'), {
    anyOf: [{ ids: ['m7', 'm2'] }, { allOf: [{ hasOwner: true }, { owners: ['m7'] }] }, { not: ROLE }],
  });
  t.is(nameIn(true, 'm1', 'm7'), true);
});

test('what is known of a thing is left of a condition no more', (t) => {
  const ids = { ids: ['a', 'b'] };
  const owned = { allOf: [{ hasOwner: true }, { owners: ['m1'] }] } as const;
  const within: readonly Reference[] = [];
  const open = { id: '', ownerId: '', within };
  t.deepEqual(narrow(ids, open), ids);
  t.deepEqual(narrow(owned, open), owned);
  t.is(narrow(ids, { id: 'b', ownerId: '', within }), true);
  t.is(narrow(ids, { id: 'c', ownerId: '', within }), false);
  t.is(narrow({ not: ids }, { id: 'c', ownerId: '', within }), true);
  t.is(narrow(owned, { id: 'c', ownerId: 'm1', within }), true);
  t.is(narrow(owned, { id: 'c', ownerId: 'm2', within }), false);
  t.deepEqual(narrow(owned, { id: 'c', ownerId: '', within }), owned, 'nobody said whose it is');
  t.is(narrow({ anyOf: [ids, ROLE] }, { id: 'a', ownerId: 'a', within }), true);
  t.is(narrow({ anyOf: [ids, ROLE] }, { id: 'c', ownerId: 'c', within }), false);
  t.is(narrow({ anyOf: [ids, ROLE] }, { id: 'c', ownerId: 'c', within: ROLE.in }), true);
  t.is(narrow(ROLE, { id: 'c', ownerId: 'c', within: [{ type: 'Group', id: 'm1' }] }), false, 'another thing of that ID');
  t.deepEqual(narrow(ROLE, open), ROLE, 'of many, nobody knows what they are in');
});

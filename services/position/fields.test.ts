import { randomUUID } from 'node:crypto';
import test from 'ava';
import { MOST_PERMISSIONS } from '#platform/validation/position-fields.ts';
import { call, job, openTestPositions, UPDATE, unique } from './position.fixture.ts';

// What a position can be, and what it can permit.

const { service, createGroup, close } = await openTestPositions('fields');
test.after.always(close);

const some = (length: number) => Array.from({ length }, () => UPDATE);
for (const [what, given, field, message] of [
  ['no name', { name: '' }, 'name', /must have a character that is seen/],
  ['a long name', { name: 'x'.repeat(101) }, 'name', /at most 100 characters/],
  ['a name that turns the text', { name: 'a\u202eb' }, 'name', /invisible|direction/],
  [
    'what is done to no group',
    { permissions: [UPDATE, UPDATE, UPDATE, { action: 'member.delete', reach: 'REACH_HERE' as const }] },
    'permissions[3].action',
    /must be what is done to a group or in it: one of group\.accept-invitation, .*position\.update$/,
  ],
  [
    'what nobody does',
    { permissions: [{ action: 'group.eat', reach: 'REACH_HERE' as const }] },
    'permissions[0].action',
    /one of/,
  ],
  [
    'no reach',
    { permissions: [{ action: 'group.update', reach: 'REACH_FAR' as never }] },
    'permissions[0].reach',
    /here or subtree/,
  ],
  ['too many permissions', { permissions: some(MOST_PERMISSIONS + 1) }, 'permissions', /at most 100/],
] as const) {
  test(`no position: ${what}`, async (t) => {
    const { groupId } = await createGroup();
    const position = { operationId: job().of('begin'), groupId, positionId: randomUUID(), name: unique('Bad') };
    const whole = { ...position, permissions: [], ...given } as Parameters<typeof service.beginCreatePosition>[0];
    const error = await t.throwsAsync(service.beginCreatePosition(whole, call), { code: 'INVALID_POSITION' });
    t.like(error, { fields: [{ field }] });
    t.regex((error as unknown as { fields: { message: string }[] }).fields[0]?.message ?? '', message);
  });
}

test('what is permitted twice is kept once; without a reach it is here', async (t) => {
  const { groupId } = await createGroup();
  const permissions = [
    UPDATE,
    UPDATE,
    { ...UPDATE, reach: 'REACH_SUBTREE' as const },
    { ...UPDATE, reach: 'REACH_UNSPECIFIED' as const },
  ];
  const given = { operationId: job().of('begin'), groupId, positionId: randomUUID(), name: unique('Twice'), permissions };
  const { position } = await service.beginCreatePosition(given, call);
  t.deepEqual(position?.permissions, [UPDATE, { ...UPDATE, reach: 'REACH_SUBTREE' }]);
});

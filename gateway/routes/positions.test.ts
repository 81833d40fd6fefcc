import { randomUUID } from 'node:crypto';
import { newId } from '#platform/validation/id.ts';
import { send } from '../client.fixture.ts';
import { type World, worldTest } from '../gateway.fixture.ts';
import { groupView, positionView } from '../group-stand-ins.fixture.ts';

const test = worldTest();

const wait = { prefer: 'wait=5' };

/** A position of a group, both of which are there. */
function existing(
  { groups, positions }: World,
  groupId: string = newId(),
): { path: string; groupId: string; positionId: string } {
  const positionId = newId();
  groups.set(groupId, groupView(groupId));
  const permissions = [{ action: 'group.update', reach: 'REACH_HERE' as const }];
  positions.set(positionId, positionView(positionId, groupId, { name: 'Treasurer', permissions, version: 3 }));
  return { path: `/v1/groups/${groupId}/positions/${positionId}`, groupId, positionId };
}

test('a position is made in a group, or in the whole organisation, and shown', async (t) => {
  const { context: world } = t;
  for (const groupId of [newId(), 'root']) {
    world.groups.set(groupId, groupView(groupId));
    const body = {
      name: ' Treasurer ',
      permissions: [{ action: 'group.update' }, { action: 'position.bind', reach: 'subtree' }],
    };
    const path = `/v1/groups/${groupId}/positions`;
    const made = await send(world, 'POST', path, { token: world.admin, headers: wait, body });
    t.is(made.status, 201);
    const permissions = [
      { action: 'group.update', reach: 'here' },
      { action: 'position.bind', reach: 'subtree' },
    ];
    t.like(made.body, { groupId, name: 'Treasurer', kind: 'custom', permissions });
    t.is(made.headers.get('location'), `${path}/${made.body.id}`);
    t.regex(made.headers.get('etag') ?? '', /^"1\./);
    const start = world.started.at(-1);
    t.like(start, { command: 'position.create', aggregateId: made.body.id });
    t.deepEqual(start?.input as object, {
      ...{ groupId, positionId: made.body.id, name: 'Treasurer' },
      permissions: [
        { action: 'group.update', reach: 'REACH_HERE' },
        { action: 'position.bind', reach: 'REACH_SUBTREE' },
      ],
    });
    const again = await send(world, 'POST', path, { token: world.admin, headers: wait, body });
    t.like(again, { status: 409, body: { code: 'NAME_TAKEN', errors: [{ in: 'body', field: 'name' }] } });
  }
});

test('each command is allowed by its action on the group', async (t) => {
  const { context: world } = t;
  const { path, groupId } = existing(world);
  const ofMember = `${path}/members/${world.hanaId}`;
  const body = { name: 'Secretary', permissions: [] };
  for (const [method, at, action, sent] of [
    ['POST', `/v1/groups/${groupId}/positions`, 'position.create', body],
    ['PATCH', path, 'position.update', body],
    ['DELETE', path, 'position.delete', undefined],
    ['PUT', ofMember, 'position.bind', undefined],
    ['DELETE', ofMember, 'position.unbind', undefined],
  ] as const) {
    const answer = await send(world, method, at, { token: world.hana, headers: wait, body: sent });
    t.like(answer, { status: 404, body: { code: 'GROUP_NOT_FOUND' } }, 'who may not read the group is told of nothing about it');
    t.like(world.asked.at(-1), { action, resource: { type: 'Group', id: groupId }, wantsPermit: true });
  }
  t.is(world.started.length, 0);
});

test('a position is changed in part, and only in the version that was seen', async (t) => {
  const { context: world } = t;
  const { path, groupId, positionId } = existing(world);
  const adminId = [...world.members.keys()].find((id) => id !== world.hanaId) ?? '';
  const patch = (body: object, version = '"3"') =>
    send(world, 'PATCH', path, { token: world.admin, headers: { ...wait, 'if-match': version }, body });
  t.like(await patch({ name: 'Secretary' }, '"2"'), { status: 412, body: { code: 'VERSION_MISMATCH' } });
  const renamed = await patch({ name: 'Secretary' });
  t.like(renamed, { status: 200, body: { id: positionId, name: 'Secretary', permissions: [{ action: 'group.update' }] } });
  t.deepEqual(world.started.at(-1)?.input as object, {
    ...{ groupId, positionId, byMemberId: adminId, expectedVersion: 3 },
    changes: { name: 'Secretary' },
  });
  const narrowed = await patch({ permissions: [] }, '"4"');
  t.like(narrowed, { status: 200, body: { name: 'Secretary', permissions: [] } });
  t.like(await patch({}), { status: 400, body: { errors: [{ in: 'body', code: 'REQUIRED' }] } });
});

test('a position is deleted; one of another group is none', async (t) => {
  const { context: world } = t;
  const { path, positionId } = existing(world);
  const elsewhere = `/v1/groups/${newId()}/positions/${positionId}`;
  const missing = await send(world, 'DELETE', elsewhere, { token: world.admin, headers: wait });
  t.like(missing, { status: 404, body: { code: 'POSITION_NOT_FOUND' } });
  const gone = await send(
    world,
    'DELETE',
    path.toUpperCase().replace('/V1/GROUPS', '/v1/groups').replace('POSITIONS', 'positions'),
    {
      token: world.admin,
      headers: { ...wait, 'if-match': '"3"' },
    },
  );
  t.is(gone.status, 204);
  t.is(world.positions.size, 0);
});

test('a position is deleted only in the version that was seen', async (t) => {
  const { context: world } = t;
  const { path, groupId, positionId } = existing(world);
  const remove = (version: number) =>
    send(world, 'DELETE', path, { token: world.admin, headers: { ...wait, 'if-match': `"${version}"` } });
  t.like(await remove(2), { status: 412, body: { code: 'VERSION_MISMATCH' } });
  t.is((await remove(3)).status, 204);
  t.deepEqual(world.started.at(-1)?.input as object, { groupId, positionId, expectedVersion: 3 });
});

test('a member is bound to a position and let go, as often as it is asked', async (t) => {
  const { context: world } = t;
  const { path, groupId, positionId } = existing(world, 'root');
  const memberId = randomUUID();
  for (const [method, command] of [
    ['PUT', 'position.bind'],
    ['PUT', 'position.bind'],
    ['DELETE', 'position.unbind'],
    ['DELETE', 'position.unbind'],
  ] as const) {
    t.is((await send(world, method, `${path}/members/${memberId}`, { token: world.admin, headers: wait })).status, 204);
    t.like(world.started.at(-1), { command, aggregateId: groupId, input: { groupId, positionId, memberId } });
  }
  const adminId = [...world.members.keys()].find((id) => id !== world.hanaId);
  t.like(world.started[0], { input: { byMemberId: adminId } });
  t.is(world.started.length, 4);
});

test('a member is bound until a moment, whatever its time zone; without a body or a moment it is bound without end', async (t) => {
  const { context: world } = t;
  const { path, groupId, positionId } = existing(world);
  const memberId = randomUUID();
  const bind = (body?: object) => send(world, 'PUT', `${path}/members/${memberId}`, { token: world.admin, headers: wait, body });
  const asked = { groupId, positionId, memberId };
  const adminId = [...world.members.keys()].find((id) => id !== world.hanaId);
  for (const [body, input] of [
    [{ until: '2027-04-01T00:00:00+09:00' }, { ...asked, until: '2027-03-31T15:00:00.000Z' }],
    [{ until: null }, asked],
    [{}, asked],
    [undefined, asked],
  ] as const) {
    t.is((await bind(body)).status, 204);
    t.deepEqual(world.started.at(-1)?.input as object, { ...input, byMemberId: adminId });
  }
  for (const until of ['tomorrow', '2027-02-30T00:00:00Z', '2027-04-01', 1, ''])
    t.like(await bind({ until }), { status: 400, body: { errors: [{ in: 'body', field: 'until' }] } }, `${until}`);
  t.like(await bind({ util: null }), { status: 400 });
  t.is(world.started.length, 4);
});

test('what breaks a rule of positions is refused with the field and what would be right', async (t) => {
  const { context: world } = t;
  const { path, groupId } = existing(world);
  const here = { action: 'group.update', reach: 'here' };
  for (const [body, field, message] of [
    [
      { permissions: [here, here, here, { action: 'member.delete' }] },
      'permissions[3].action',
      /one of group\.accept-invitation, /,
    ],
    [{ permissions: [{ action: 'group.eat' }] }, 'permissions[0].action', /one of group\.accept-invitation, /],
    [{ permissions: [{ ...here, reach: 'everywhere' }] }, 'permissions[0].reach', /here or subtree/],
    [{ permissions: Array.from({ length: 101 }, () => here) }, 'permissions', /at most 100 entries/],
    [{ permissions: here }, 'permissions', /./],
    [{ name: ' ' }, 'name', /seen/],
    [{ name: 'x'.repeat(10_000) }, 'name', /at most 100/],
    [{ name: 'a\u202eb' }, 'name', /./],
  ] as const) {
    for (const [method, at, whole] of [
      ['POST', `/v1/groups/${groupId}/positions`, { name: 'Good', permissions: [], ...body }],
      ['PATCH', path, body],
    ] as const) {
      const answer = await send(world, method, at, { token: world.admin, headers: wait, body: whole });
      t.like(answer, { status: 400, body: { errors: [{ in: 'body', field }] } }, JSON.stringify(body));
      t.regex(answer.body.errors[0].message, message);
    }
  }
  const asked = { token: world.admin, body: { name: 'Good', permissions: [] } };
  const nowhere = await send(world, 'POST', '/v1/groups/no_group/positions', asked);
  t.like(nowhere, { status: 404, body: { code: 'GROUP_NOT_FOUND' } });
  t.is(world.started.length, 0);
});

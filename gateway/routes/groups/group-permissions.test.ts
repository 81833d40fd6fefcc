import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import { worldTest } from '../../gateway.fixture.ts';

const test = worldTest();

test('what a member may do in a group is told with what decides it, and what would have to change', async (t) => {
  const { context: world } = t;
  const as = { token: world.admin };
  const groupId = newId();
  const { status, body } = await send(world, 'GET', `/v1/groups/${groupId}/permissions`, as);
  t.is(status, 200);
  t.deepEqual(body.permissions[0], {
    action: 'group.read',
    allowed: true,
    policies: [{ policyId: 'p', roleId: 'r', ties: [{ kind: 'leader', groupId: 'root', positionId: 'l' }] }],
    positions: [],
  });
  t.regex(body.permissions[1].needs, /must permit group\.delete, .* with the reach "subtree"; or a policy/);
  t.is(body.permissions[2].needs, 'The policies that forbid it must not: f of role r.');
  t.regex(
    body.permissions[3].needs,
    /^The member must be bound to position h of group root, or be in group root\. Otherwise: .* must permit group\.move/,
  );
  t.like(world.asked.at(-1), { action: 'group.read', resource: { type: 'Group', id: groupId } });
  t.is((await send(world, 'GET', '/v1/groups/root/permissions', as)).status, 200, 'the whole organisation is called so');
  t.is((await send(world, 'GET', `/v1/groups/root/permissions?memberId=${newId()}`, as)).status, 200);
  world.refused = [{ actions: ['member.read'], id: world.hanaId }];
  t.like(
    await send(world, 'GET', `/v1/groups/root/permissions?memberId=${world.hanaId}`, as),
    { status: 404, body: { code: 'MEMBER_NOT_FOUND' } },
    'of one that may not be read, as of none',
  );
  world.refused = [];
  t.like(await send(world, 'GET', '/v1/groups/root/permissions?memberId=x', as), {
    status: 400,
    body: { errors: [{ in: 'query', field: 'memberId' }] },
  });
  t.like(await send(world, 'GET', `/v1/groups/${groupId}/permissions`, { token: world.hana }), {
    status: 404,
    body: { code: 'GROUP_NOT_FOUND' },
  });
  t.is((await send(world, 'GET', `/v1/groups/${groupId}/permissions`)).status, 401);
});

import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import { worldTest } from '../../gateway.fixture.ts';
import { groupView } from '../../group-stand-ins.fixture.ts';

const test = worldTest();

const wait = { prefer: 'wait=5' };

test('a member asks for itself, and says why or nothing', async (t) => {
  const { context: world } = t;
  const { hanaId } = world;
  const groupId = newId();
  const path = `/v1/groups/${groupId}/join-requests`;
  const asked = await send(world, 'POST', path, { token: world.admin, headers: wait, body: { message: ' Please ' } });
  t.like(asked, { status: 201, body: { groupId, state: 'pending', requestedAt: '2026-01-02T03:04:05.678Z' } });
  t.like(world.asked[0], { action: 'group.request-join', resource: { type: 'Group', id: groupId }, wantsPermit: true });
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  t.like(world.started, [
    { command: 'group.request-join', aggregateId: adminId, input: { groupId, memberId: adminId, message: 'Please' } },
  ]);
  t.is((await send(world, 'POST', path, { token: world.admin, headers: wait })).status, 201);
  for (const body of [{ message: 'a\nb' }, { message: 'x'.repeat(501) }, { memberId: hanaId }])
    t.is((await send(world, 'POST', path, { token: world.admin, body })).status, 400, JSON.stringify(body));
});

test('others decide on a request, with a reason or without; only the member itself takes it back', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const groupId = newId();
  const path = `/v1/groups/${groupId}/join-requests/${hanaId}`;
  t.is((await send(world, 'POST', `${path}:approve`, { token, headers: wait })).status, 204);
  t.like(world.asked.at(-1), { action: 'group.approve-request' });
  t.is((await send(world, 'POST', `${path}:decline`, { token, headers: wait, body: { reason: ' full ' } })).status, 204);
  t.is((await send(world, 'POST', `${path}:decline`, { token, headers: wait })).status, 204);
  t.like(world.started, [
    { command: 'group.approve-request', aggregateId: hanaId, input: { groupId, memberId: hanaId } },
    { command: 'group.decline-request', aggregateId: hanaId, input: { groupId, memberId: hanaId, reason: 'full' } },
    { command: 'group.decline-request', input: { groupId, memberId: hanaId } },
  ]);
  const other = await send(world, 'DELETE', path, { token, headers: wait });
  t.like(other, { status: 403, body: { code: 'PERMISSION_DENIED' } });
  t.is(world.started.length, 3);
});

test('a member is invited for as long as it is said, or as others are; the job is that member’s', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const groupId = newId();
  const path = `/v1/groups/${groupId}/invitations`;
  const invite = (body: object) => send(world, 'POST', path, { token, headers: wait, body });
  t.like(await invite({ memberId: hanaId.toUpperCase() }), {
    status: 201,
    body: { groupId, memberId: hanaId, inviterId: 'inviter', expiresAt: '2026-01-02T03:04:05.678Z' },
  });
  t.like(world.asked[0], { action: 'group.invite-member', resource: { type: 'Group', id: groupId } });
  t.like(world.started[0], {
    command: 'group.invite-member',
    aggregateId: hanaId,
    input: { memberId: hanaId, byMemberId: adminId },
  });
  t.false('until' in (world.started[0]?.input ?? {}), 'Group knows how long invitations hold');
  t.is((await invite({ memberId: hanaId, expiresAt: '2030-01-02T03:04:05+09:00' })).status, 201);
  t.like(world.started[1], { input: { until: '2030-01-02T03:04:05+09:00' } });
  for (const body of [{}, { memberId: 'x' }, { memberId: hanaId, expiresAt: 'tomorrow' }])
    t.is((await invite(body)).status, 400, JSON.stringify(body));
});

test('only who is invited answers; others take the invitation back', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const groupId = newId();
  const path = (memberId: string) => `/v1/groups/${groupId}/invitations/${memberId}`;
  for (const how of ['accept', 'decline'] as const) {
    const other = await send(world, 'POST', `${path(hanaId)}:${how}`, { token, headers: wait });
    t.like(other, { status: 403, body: { code: 'PERMISSION_DENIED' } });
    t.is((await send(world, 'POST', `${path(adminId)}:${how}`, { token, headers: wait })).status, 204);
    t.like(world.asked.at(-1), { action: `group.${how}-invitation` });
  }
  t.is((await send(world, 'DELETE', path(hanaId), { token, headers: wait })).status, 204);
  t.like(world.started, [
    { command: 'group.accept-invitation', aggregateId: adminId, input: { groupId, memberId: adminId } },
    { command: 'group.decline-invitation', aggregateId: adminId },
    { command: 'group.withdraw-invitation', aggregateId: hanaId, input: { groupId, memberId: hanaId } },
  ]);
});

test('who asks and who is invited is listed to who may decide, and to each its own', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const groupId = newId();
  world.groups.set(groupId, groupView(groupId, { name: 'Kyoto' }));
  const at = '2026-01-02T03:04:05.678Z';
  const get = (path: string) => send(world, 'GET', path, { token });
  const requests = await get(`/v1/groups/${groupId}/join-requests?pageSize=1`);
  t.is(requests.status, 200);
  t.like(requests.body.items[0], { message: 'of the test', requestedAt: at });
  t.truthy(requests.body.nextPageToken);
  t.like(
    world.asked.find(({ action }) => action === 'group.list-requests'),
    { resource: { type: 'Group', id: groupId } },
  );
  const invitations = await get(`/v1/groups/${groupId}/invitations`);
  t.like(invitations.body.items[0], { inviterId: 'inviter', invitedAt: at, expiresAt: at });
  const own = async (list: string) => (await get(`/v1/members/${hanaId}/${list}`)).body.items[0];
  const of = { groupId, groupName: 'Kyoto', memberId: hanaId };
  t.deepEqual(await own('join-requests'), { ...of, message: 'of the test', requestedAt: at, state: 'pending' });
  t.deepEqual(await own('invitations'), { ...of, inviterId: 'inviter', invitedAt: at, expiresAt: at });
  t.deepEqual(await own('expulsions'), { ...of, reason: 'it is over', expelledAt: at });
  t.is((await get(`/v1/groups/${newId()}/join-requests`)).status, 404);
});

test('of who is nothing to any group the lists are empty; of who is not there, and of groups that are not seen, there are none', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const get = (path: string) => send(world, 'GET', path, { token });
  for (const list of ['groups', 'join-requests', 'invitations', 'expulsions']) {
    t.like(await get(`/v1/members/${hanaId}/${list}`), { status: 200, body: { items: { length: 0 } } }, list);
    t.like(await get(`/v1/members/${newId()}/${list}`), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } }, list);
  }
  const groupId = newId();
  world.groups.set(groupId, groupView(groupId));
  world.refused = [{ actions: ['group.read'], id: groupId }];
  for (const list of ['join-requests', 'invitations'])
    t.like(await get(`/v1/groups/${groupId}/${list}`), { status: 404, body: { code: 'GROUP_NOT_FOUND' } }, list);
});

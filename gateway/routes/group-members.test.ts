import { newId } from '#platform/validation/id.ts';
import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

const wait = { prefer: 'wait=5' };

test('who is the member of the path joins, another one is added; each needs a permission of its own', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const groupId = newId();
  const path = (memberId: string) => `/v1/groups/${groupId}/members/${memberId}`;
  t.is((await send(world, 'PUT', path(adminId), { token, headers: wait })).status, 204);
  t.like(world.asked.at(-1), { action: 'group.join', resource: { type: 'Group', id: groupId }, wantsPermit: true });
  t.is(
    (
      await send(world, 'PUT', path(hanaId).toUpperCase().replace('/V1/GROUPS', '/v1/groups').replace('MEMBERS', 'members'), {
        token,
        headers: wait,
      })
    ).status,
    204,
  );
  t.like(world.asked.at(-1), { action: 'group.add-member' });
  t.like(world.started, [
    { command: 'group.add-member', aggregateId: adminId, input: { groupId, memberId: adminId, byMemberId: adminId } },
    { command: 'group.add-member', aggregateId: hanaId, input: { groupId, memberId: hanaId, byMemberId: adminId } },
  ]);
});

test('a member leaves by itself only, and may name who leads in its place', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const path = `/v1/groups/${newId()}/members`;
  const other = await send(world, 'DELETE', `${path}/${hanaId}`, { token, headers: wait });
  t.like(other, { status: 403, body: { code: 'PERMISSION_DENIED' } });
  t.regex(other.body.detail, /:expel/);
  t.is(world.started.length, 0);
  t.is((await send(world, 'DELETE', `${path}/${adminId}?successorId=${hanaId}`, { token, headers: wait })).status, 204);
  t.like(world.asked.at(-1), { action: 'group.leave' });
  t.like(world.started, [{ command: 'group.leave', input: { memberId: adminId, successorId: hanaId } }]);
  t.like(await send(world, 'DELETE', `${path}/${adminId}?successorId=x`, { token }), {
    status: 400,
    body: { errors: [{ in: 'query', field: 'successorId' }] },
  });
  // With one key, another successor is another request.
  const key = { 'idempotency-key': 'leave' };
  const leave = (query: string) => send(world, 'DELETE', `${path}/${adminId}${query}`, { token, headers: key });
  const first = await leave('');
  t.is(first.status, 202);
  t.is((await leave('')).body.jobId, first.body.jobId);
  t.like(await leave(`?successorId=${hanaId}`), { status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
});

test('who may not read a group is told of none by all that is done to who is in it', async (t) => {
  const { context: world } = t;
  const { hana: token, hanaId } = world;
  const path = `/v1/groups/${newId()}/members/${hanaId}`;
  const all = [['PUT', path] as const, ['DELETE', path] as const, ['POST', `${path}:expel`] as const];
  for (const [method, path] of all) {
    const body = method === 'POST' ? { reason: 'x' } : undefined;
    t.like(await send(world, method, path, { token, body }), { status: 404, body: { code: 'GROUP_NOT_FOUND' } }, method);
  }
});

test('a member is put out with a reason', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const path = `/v1/groups/${newId()}/members/${hanaId}:expel`;
  t.is(
    (await send(world, 'POST', path, { token, headers: wait, body: { reason: ' it is over ', successorId: newId() } })).status,
    204,
  );
  t.like(world.started, [{ command: 'group.expel-member', input: { memberId: hanaId, reason: 'it is over' } }]);
  for (const body of [{}, { reason: '' }, { reason: 'a\nb' }, { reason: 'x', successorId: 'x' }]) {
    const { status } = await send(world, 'POST', path, { token, body });
    t.is(status, 400, JSON.stringify(body));
  }
});

import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import { type World, worldTest } from '../../gateway.fixture.ts';
import { playedRoom } from '../../rooms.fixture.ts';

const test = worldTest();

const wait = { prefer: 'wait=5' };

/** A room that the administrator owns, and is alone in. */
function ownRoom({ members, hanaId, rooms }: World): { roomId: string; own: string; path(memberId: string): string } {
  const own = [...members.keys()].find((id) => id !== hanaId) ?? '';
  const roomId = newId();
  rooms.set(roomId, playedRoom(roomId, { ownerId: own, memberIds: [own] }));
  return { roomId, own, path: (memberId) => `/v1/rooms/${roomId}/members/${memberId}` };
}

test('a member is added by who owns the room, and removed, or leaves', async (t) => {
  const { context: world } = t;
  const { admin, hana, hanaId } = world;
  const { roomId, own, path } = ownRoom(world);
  const ask = (method: string, token: string, memberId: string) => send(world, method, path(memberId), { token, headers: wait });
  t.like(await ask('PUT', hana, hanaId), { status: 404, body: { code: 'ROOM_NOT_FOUND' } }, 'nobody lets itself in');
  t.is((await ask('PUT', admin, hanaId)).status, 204);
  t.like(world.asked.slice(-2), [
    { action: 'room.add-member', resource: { type: 'Room', id: roomId }, wantsPermit: true },
    { action: 'member.read', filtered: true },
  ]);
  t.like(world.started.at(-1), { command: 'room.add-member', aggregateId: roomId });
  t.deepEqual(world.started.at(-1)?.input as object, { roomId, byMemberId: own, memberId: hanaId });
  t.like(await ask('PUT', admin, hanaId), { status: 409, body: { code: 'ALREADY_IN_ROOM' } });
  t.like(await ask('DELETE', hana, own), { status: 403, body: { code: 'NOT_ROOM_OWNER' } });
  t.is((await ask('DELETE', hana, hanaId)).status, 204);
  t.like(world.asked.at(-1), { action: 'room.remove-member', resource: { type: 'Room', id: roomId }, wantsPermit: true });
  t.like(world.started.at(-1), { command: 'room.remove-member', aggregateId: roomId });
  t.deepEqual(world.started.at(-1)?.input as object, { roomId, byMemberId: hanaId, memberId: hanaId });
  t.like(await ask('DELETE', admin, hanaId), { status: 404, body: { code: 'NOT_IN_ROOM' } });
  t.is((await ask('PUT', admin, hanaId)).status, 204);
  t.is((await ask('DELETE', admin, hanaId)).status, 204, 'who owns it removes another one');
});

test('whom one may not read is not added, as if it was not there; removed it is', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const { roomId, path } = ownRoom(world);
  world.seen = { kind: { $case: 'ids', value: { ids: [] } } };
  const add = async (memberId: string) => {
    const { status, body } = await send(world, 'PUT', path(memberId), { token, headers: wait });
    return { status, body: { ...body, traceId: '' } };
  };
  const hidden = await add(hanaId);
  t.like(hidden, { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  t.deepEqual(await add(newId()), hidden, 'in the same words');
  t.is(world.started.length, 0);
  world.rooms.get(roomId)?.memberIds.push(hanaId);
  t.is((await send(world, 'DELETE', path(hanaId), { token, headers: wait })).status, 204);
});

test('who is in a room is listed to those in it only', async (t) => {
  const { context: world } = t;
  const { admin, hana, hanaId } = world;
  const { roomId, own } = ownRoom(world);
  const list = (token: string, query = '') => send(world, 'GET', `/v1/rooms/${roomId}/members${query}`, { token });
  t.like(await list(hana), { status: 404, body: { code: 'ROOM_NOT_FOUND' } });
  world.rooms.get(roomId)?.memberIds.push(hanaId);
  const joinedAt = '2026-01-02T03:04:05.678Z';
  const items = [
    { id: own, owner: true, joinedAt },
    { id: hanaId, owner: false, joinedAt },
  ];
  t.deepEqual((await list(hana)).body, { items });
  t.like(world.asked.at(-1), { action: 'room.read', resource: { type: 'Room', id: roomId } });
  t.deepEqual((await list(admin, '?pageSize=1')).body, { items: items.slice(0, 1), nextPageToken: 'next' });
  t.like(await list(hana, '?pageToken=x'), { status: 400, body: { code: 'PAGE_TOKEN_INVALID' } });
  t.like(await list(hana, '?pageSize=101'), { status: 400, body: { errors: [{ in: 'query', field: 'pageSize' }] } });
});

test('what is no ID names nothing', async (t) => {
  const { context: world } = t;
  const { roomId } = ownRoom(world);
  for (const [path, code] of [
    [`/v1/rooms/x/members/${world.hanaId}`, 'ROOM_NOT_FOUND'],
    [`/v1/rooms/${roomId}/members/me`, 'MEMBER_NOT_FOUND'],
  ] as const)
    for (const method of ['PUT', 'DELETE'])
      t.like(await send(world, method, path, { token: world.admin }), { status: 404, body: { code } }, path);
  t.is(world.started.length, 0);
});

import { newId } from '#platform/validation/id.ts';
import { view } from '../../applied.fixture.ts';
import { send } from '../../client.fixture.ts';
import { type World, worldTest } from '../../gateway.fixture.ts';
import { playedRoom } from '../../rooms.fixture.ts';
import { directRoomId } from './room-view.ts';

const test = worldTest();

const wait = { prefer: 'wait=5' };
const adminOf = ({ members, hanaId }: World): string => [...members.keys()].find((id) => id !== hanaId) ?? '';

/** Members that there are. */
function others({ members }: World, count: number): string[] {
  return Array.from({ length: count }, () => {
    const memberId = newId();
    members.set(memberId, view(memberId, { loginId: memberId, displayName: 'x', email: 'x@example.com' }));
    return memberId;
  });
}

test('a room is made, and shown to who has made it', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const body = { name: ' Summer party ', memberIds: [hanaId.toUpperCase()] };
  const made = await send(world, 'POST', '/v1/rooms', { token, headers: wait, body });
  t.like(made, { status: 201, body: { kind: 'room', name: 'Summer party', memberCount: 2, owned: true } });
  t.false('memberIds' in made.body);
  t.is(made.headers.get('location'), `/v1/rooms/${made.body.id}`);
  t.regex(made.headers.get('etag') ?? '', /^"1\./);
  t.like(world.asked[0], { action: 'room.create', resource: { type: 'Room', id: '' }, wantsPermit: true });
  t.like(world.started, [{ command: 'room.create', aggregateId: made.body.id }]);
  const input = { roomId: made.body.id, ownerId: adminOf(world), name: 'Summer party', memberIds: [hanaId] };
  t.deepEqual(world.started[0]?.input as object, input);
  const alone = await send(world, 'POST', '/v1/rooms', { token: world.hana, headers: wait, body: { name: 'Alone' } });
  t.like(alone, { status: 201, body: { memberCount: 1 } });
  t.like(world.started[1]?.input as object, { ownerId: hanaId, memberIds: [] });
});

test('what breaks a rule of rooms is refused with the field and what would be right', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const own = adminOf(world);
  const many = others(world, 101);
  for (const [path, body, field, code, message] of [
    ['/v1/rooms', {}, 'name', 'REQUIRED', /missing/],
    ['/v1/rooms', { name: ' ' }, 'name', 'WRONG_FORMAT', /seen/],
    ['/v1/rooms', { name: 'a\u202eb' }, 'name', 'WRONG_FORMAT', /./],
    ['/v1/rooms', { name: 'x'.repeat(101) }, 'name', 'TOO_LONG', /at most 100/],
    ['/v1/rooms', { name: 'x', groupId: 'root' }, 'groupId', 'UNKNOWN', /known are name, memberIds/],
    ['/v1/rooms', { name: 'x', memberIds: many }, 'memberIds', 'TOO_LONG', /at most 100 items/],
    ['/v1/rooms', { name: 'x', memberIds: [hanaId, 'me'] }, 'memberIds[1]', 'WRONG_FORMAT', /UUID/],
    ['/v1/rooms', { name: 'x', memberIds: [hanaId, hanaId.toUpperCase()] }, 'memberIds[1]', 'REPEATED', /twice/],
    ['/v1/rooms', { name: 'x', memberIds: [hanaId, own] }, 'memberIds[1]', 'INVALID', /another member than yourself/],
    ['/v1/rooms/direct', {}, 'memberIds', 'REQUIRED', /missing/],
    ['/v1/rooms/direct', { memberIds: [] }, 'memberIds', 'TOO_SHORT', /must not be empty/],
    ['/v1/rooms/direct', { memberIds: many.slice(0, 10) }, 'memberIds', 'TOO_LONG', /at most 9 items/],
    ['/v1/rooms/direct', { memberIds: [hanaId, hanaId] }, 'memberIds[1]', 'REPEATED', /twice/],
    ['/v1/rooms/direct', { memberIds: [own.toUpperCase()] }, 'memberIds[0]', 'INVALID', /another member than yourself/],
  ] as const) {
    const answer = await send(world, 'POST', path, { token, headers: wait, body });
    t.like(answer, { status: 400, body: { errors: [{ in: 'body', field, code }] } }, JSON.stringify(body));
    t.regex(answer.body.errors[0].message, message);
  }
  t.is(world.started.length, 0);
  const most = { token, headers: wait, body: { name: 'x', memberIds: many.slice(1) } };
  t.like(await send(world, 'POST', '/v1/rooms', most), { status: 201, body: { memberCount: 101 } });
});

test('with whom one may not read no room is made, as if they were not there; nothing is begun', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const [seen = ''] = others(world, 1);
  const refused = async (memberId: string) => {
    const memberIds = [seen, memberId];
    const answers = [
      await send(world, 'POST', '/v1/rooms', { token, headers: wait, body: { name: 'x', memberIds } }),
      await send(world, 'POST', '/v1/rooms/direct', { token, headers: wait, body: { memberIds } }),
      await send(world, 'PUT', `/v1/rooms/direct/${memberId}`, { token, headers: wait }),
    ];
    return answers.map(({ status, body }) => ({ status, body: { ...body, traceId: '' } }));
  };
  world.seen = { kind: { $case: 'ids', value: { ids: [seen] } } };
  const hidden = await refused(hanaId);
  const inBody = { in: 'body', field: 'memberIds[1]', code: 'NOT_FOUND' };
  t.like(hidden, [
    { status: 404, body: { code: 'MEMBER_NOT_FOUND', errors: [inBody] } },
    { status: 404, body: { code: 'MEMBER_NOT_FOUND', errors: [inBody] } },
    { status: 404, body: { code: 'MEMBER_NOT_FOUND' } },
  ]);
  t.deepEqual(await refused(newId()), hidden, 'in the same words');
  world.refused = [{ actions: ['member.read'] }];
  t.like(await refused(hanaId), [{ status: 404, body: { errors: [{ field: 'memberIds[0]' }, { field: 'memberIds[1]' }] } }]);
  t.is(world.started.length, 0);
});

test('two have one direct room, whoever of them opens it, and several have another', async (t) => {
  const { context: world } = t;
  const { admin, hana, hanaId } = world;
  const own = adminOf(world);
  const path = `/v1/rooms/direct/${hanaId}`;
  const opened = await send(world, 'PUT', path.toUpperCase().replace('/V1/ROOMS/DIRECT', '/v1/rooms/direct'), {
    token: admin,
    headers: wait,
  });
  t.like(opened, { status: 200, body: { kind: 'direct', memberCount: 2, memberIds: [own, hanaId].toSorted(), owned: false } });
  t.false('name' in opened.body);
  t.regex(opened.body.id, /^[\da-f]{8}-[\da-f]{4}-8/);
  t.is(opened.headers.get('content-location'), `/v1/rooms/${opened.body.id}`);
  t.like(world.asked[0], { action: 'room.open-direct', resource: { type: 'Room', id: '' }, wantsPermit: true });
  t.like(world.started, [{ command: 'room.open-direct', aggregateId: opened.body.id }]);
  t.deepEqual(world.started[0]?.input as object, { roomId: opened.body.id, memberIds: [own, hanaId].toSorted() });
  for (const [token, other] of [
    [hana, own],
    [admin, hanaId],
  ] as const) {
    t.is((await send(world, 'PUT', `/v1/rooms/direct/${other}`, { token, headers: wait })).body.id, opened.body.id);
    const posted = await send(world, 'POST', '/v1/rooms/direct', { token, headers: wait, body: { memberIds: [other] } });
    t.like(posted, { status: 200, body: { id: opened.body.id } });
    t.is(posted.headers.get('content-location'), `/v1/rooms/${opened.body.id}`);
  }
  const more = others(world, 8);
  const open = (token: string, memberIds: string[]) =>
    send(world, 'POST', '/v1/rooms/direct', { token, headers: wait, body: { memberIds } });
  const ten = await open(admin, [hanaId, ...more]);
  t.like(ten, { status: 200, body: { memberCount: 10 } });
  t.is((await open(hana, [...more.toReversed(), own])).body.id, ten.body.id, 'in any order');
  t.not(ten.body.id, opened.body.id);
  t.is(ten.body.id, directRoomId([own, hanaId, ...more]));
});

test('with oneself nobody opens a direct room', async (t) => {
  const { context: world } = t;
  const answer = await send(world, 'PUT', `/v1/rooms/direct/${world.hanaId}`, { token: world.hana, headers: wait });
  const errors = [{ in: 'path', field: 'memberId', message: 'must be another member than yourself' }];
  t.like(answer, { status: 400, body: { errors } });
  const nobody = await send(world, 'PUT', '/v1/rooms/direct/me', { token: world.hana, headers: wait });
  t.like(nobody, { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  t.is(world.started.length, 0);
});

test('a room is renamed and deleted by who owns it, in the version that was seen; of it others are told nothing', async (t) => {
  const { context: world } = t;
  const { admin, hana, hanaId } = world;
  const own = adminOf(world);
  const roomId = newId();
  const path = `/v1/rooms/${roomId}`;
  world.rooms.set(roomId, playedRoom(roomId, { ownerId: own, memberIds: [own], version: 3 }));
  const change = (method: string, token: string, version: number) =>
    send(world, method, path, {
      token,
      headers: { ...wait, 'if-match': `"${version}"` },
      ...(method === 'PATCH' ? { body: { name: 'Autumn party' } } : {}),
    });
  for (const method of ['PATCH', 'DELETE']) {
    t.like(await change(method, hana, 3), { status: 404, body: { code: 'ROOM_NOT_FOUND' } });
    t.like(await change(method, admin, 2), { status: 412, body: { code: 'VERSION_MISMATCH' } });
  }
  world.rooms.get(roomId)?.memberIds.push(hanaId);
  for (const method of ['PATCH', 'DELETE'])
    t.like(await change(method, hana, 3), { status: 403, body: { code: 'NOT_ROOM_OWNER' } });
  t.like(await change('PATCH', admin, 3), { status: 200, body: { name: 'Autumn party' } });
  const input = { roomId, byMemberId: own, expectedVersion: 3 };
  t.like(world.started.at(-1), { command: 'room.update', aggregateId: roomId });
  t.deepEqual(world.started.at(-1)?.input as object, { ...input, name: 'Autumn party' });
  t.is((await change('DELETE', admin, 4)).status, 204);
  t.like(world.started.at(-1), { command: 'room.delete', aggregateId: roomId });
  t.deepEqual(world.started.at(-1)?.input as object, { ...input, expectedVersion: 4 });
  t.like(
    world.asked.filter(({ wantsPermit }) => wantsPermit).map(({ action, resource }) => ({ action, resource })),
    [{ action: 'room.update', resource: { type: 'Room', id: roomId } }, { action: 'room.update' }, { action: 'room.delete' }],
  );
  t.like(await send(world, 'PATCH', path, { token: admin, body: {} }), { status: 400, body: { errors: [{ field: 'name' }] } });
  t.like(await send(world, 'PATCH', '/v1/rooms/direct', { token: admin, body: { name: 'x' } }), { status: 405 });
});

test('a direct room stays as it is', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const roomId = newId();
  world.rooms.set(roomId, playedRoom(roomId, { name: undefined, memberIds: [adminOf(world), hanaId] }));
  for (const [method, path, body] of [
    ['PATCH', '', { name: 'x' }],
    ['DELETE', '', undefined],
    ['PUT', `/members/${hanaId}`, undefined],
    ['DELETE', `/members/${hanaId}`, undefined],
  ] as const) {
    const answer = await send(world, method, `/v1/rooms/${roomId}${path}`, { token, headers: wait, body });
    t.like(answer, { status: 409, body: { code: 'DIRECT_ROOM' } }, method);
  }
});

test('who is in a room reads it, and lists those that it is in; others are told nothing', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const own = adminOf(world);
  const [joined, direct, other] = [newId(), newId(), newId()];
  world.rooms.set(joined, playedRoom(joined, { ownerId: hanaId, memberIds: [hanaId, own], version: 7 }));
  world.rooms.set(direct, playedRoom(direct, { name: undefined, memberIds: [hanaId, own] }));
  world.rooms.set(other, playedRoom(other, { memberIds: [hanaId] }));
  const read = (id: string, headers = {}) => send(world, 'GET', `/v1/rooms/${id}`, { token, headers });
  const found = await read(joined.toUpperCase());
  t.like(found, { status: 200, body: { id: joined, kind: 'room', memberCount: 2, owned: false } });
  t.like(world.asked.at(-1), { action: 'room.read', resource: { type: 'Room', id: joined } });
  const tag = found.headers.get('etag') ?? '';
  t.regex(tag, /^"7\./);
  t.is((await read(joined, { 'if-none-match': tag })).status, 304);
  t.like((await read(direct)).body, { kind: 'direct', memberIds: [hanaId, own].toSorted() });
  for (const id of [other, newId(), 'x']) t.like(await read(id), { status: 404, body: { code: 'ROOM_NOT_FOUND' } }, id);
  const listed = await send(world, 'GET', '/v1/rooms', { token });
  t.is(listed.status, 200);
  t.deepEqual(
    listed.body.items.map(({ id }: { id: string }) => id),
    [joined, direct],
  );
  t.like(world.asked.at(-1), { action: 'room.list', resource: { type: 'Room', id: '' } });
  t.like((await send(world, 'GET', '/v1/rooms?pageSize=1', { token })).body, { items: [{ id: joined }], nextPageToken: 'next' });
  t.like(await send(world, 'GET', '/v1/rooms?pageToken=x', { token }), { status: 400, body: { code: 'PAGE_TOKEN_INVALID' } });
});

test('who may not do it at all is told so', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const id = newId();
  for (const [action, method, path, body] of [
    ['room.create', 'POST', '/v1/rooms', { name: 'x' }],
    ['room.open-direct', 'PUT', `/v1/rooms/direct/${hanaId}`],
    ['room.open-direct', 'POST', '/v1/rooms/direct', { memberIds: [hanaId] }],
    ['room.update', 'PATCH', `/v1/rooms/${id}`, { name: 'x' }],
    ['room.delete', 'DELETE', `/v1/rooms/${id}`],
    ['room.add-member', 'PUT', `/v1/rooms/${id}/members/${hanaId}`],
    ['room.remove-member', 'DELETE', `/v1/rooms/${id}/members/${hanaId}`],
    ['room.list', 'GET', '/v1/rooms'],
    ['room.read', 'GET', `/v1/rooms/${id}`],
    ['room.read', 'GET', `/v1/rooms/${id}/members`],
    ['room.read', 'GET', `/v1/rooms/${id}/messages`],
    ['room.read', 'GET', `/v1/rooms/${id}/receipts`],
    ['room.read', 'PUT', `/v1/rooms/${id}/read`, { sequence: 1 }],
    ['room.read', 'GET', '/v1/unread'],
    ['room.post', 'POST', `/v1/rooms/${id}/messages`, { text: 'x' }],
    ['room.post', 'PATCH', `/v1/rooms/${id}/messages/${id}`, { text: 'x' }],
    ['room.post', 'DELETE', `/v1/rooms/${id}/messages/${id}`],
    ['room.post', 'PUT', `/v1/rooms/${id}/messages/${id}/reactions/%F0%9F%91%8D`],
    ['room.post', 'DELETE', `/v1/rooms/${id}/messages/${id}/reactions/%F0%9F%91%8D`],
  ] as const) {
    world.refused = [{ actions: [action] }];
    const answer = await send(world, method, path, { token, headers: method === 'GET' ? {} : { 'idempotency-key': 'x' }, body });
    t.like(answer, { status: 403, body: { code: 'PERMISSION_DENIED' } }, `${method} ${path}`);
    t.is((await send(world, method, path, { body })).status, 401);
  }
  t.is(world.started.length, 0);
});

import { randomUUID } from 'node:crypto';
import test from 'ava';
import { newId } from '#platform/validation/id.ts';
import { MOST_ROOMS } from '#platform/validation/room-fields.ts';
import { type Chat, call, openChat } from './chat.fixture.ts';
import { roomsOfKey } from './rooms/store.ts';

let chat: Chat;
test.before(async () => {
  chat = await openChat('rooms');
});
test.after.always(() => chat.close());

/** What a room's partition has of it, but what is said of operations and told to others. */
async function stored(roomId: string): Promise<Record<string, unknown>> {
  const { key } = chat.redis.of(roomId);
  return await chat.redis.ask(async (client) => ({
    room: await client.hgetall(key(`room:${roomId}`)),
    members: await client.hgetall(key(`room:${roomId}:members`)),
    log: await client.hgetall(key(`room:${roomId}:log`)),
    listed: await client.zscore(key('rooms'), roomId),
  }));
}
const membersOf = async (roomId: string) => {
  const { members } = (await stored(roomId)) as { members: Record<string, string> };
  return new Map(Object.entries(members).map(([id, text]) => [id, (JSON.parse(text) as { owner: boolean }).owner]));
};

test('a room is there for those who are in it once it is committed, and is told whole', async (t) => {
  const [roomId, owner, other] = [newId(), newId(), newId()];
  const jobId = randomUUID();
  await chat.step('beginCreateRoom', jobId, {
    roomId,
    ownerId: owner,
    name: '  Summer party ',
    memberIds: [other, owner, other],
  });
  await t.throwsAsync(chat.list(roomId, owner), { code: 'ROOM_NOT_FOUND' });
  t.deepEqual(await chat.events(roomId), []);
  const { written } = (await chat.step('commitRoom', jobId, { roomId })) as unknown as {
    written: { type: string; id: string }[];
  };
  t.deepEqual(
    written.map(({ type, id }) => [type, id]),
    [
      ['room', roomId],
      ['room-member', `${roomId}/${owner}`],
      ['room-member', `${roomId}/${other}`],
    ],
  );
  const [created, ...places] = await chat.events(roomId);
  t.like(created, { type: 'room.created', version: 1, payload: { room: { kind: 'ROOM_KIND_ROOM', name: 'Summer party' } } });
  t.deepEqual(
    places.map(({ id, payload }) => [id, (payload as { member?: { owner?: boolean } }).member?.owner === true]),
    [
      [`${roomId}/${owner}`, true],
      [`${roomId}/${other}`, false],
    ],
  );
  await t.throwsAsync(chat.step('commitRoom', randomUUID(), { roomId }) as never, { code: 'LOCK_NOT_HELD' });
  await t.throwsAsync(chat.step('beginCreateRoom', randomUUID(), { roomId, ownerId: owner, name: 'x', memberIds: [] }) as never, {
    code: 'CONFLICT',
  });
});

test('what cannot be a room is refused by its name', async (t) => {
  const given = { roomId: newId(), ownerId: newId(), name: 'x', memberIds: [] };
  const refused = async (change: object, code: string, field: string) => {
    const error = await t.throwsAsync(chat.step('beginCreateRoom', randomUUID(), { ...given, ...change }) as never, { code });
    t.like(error, { fields: [{ field }] });
  };
  for (const name of ['', ' ', 'x'.repeat(101), 'a\0', 'a\u202e', '\u200b']) await refused({ name }, 'INVALID_ROOM', 'name');
  await refused({ roomId: 'x' }, 'INVALID_ARGUMENT', 'roomId');
  await refused({ ownerId: '' }, 'INVALID_ARGUMENT', 'ownerId');
  await refused({ memberIds: ['x'] }, 'INVALID_ARGUMENT', 'memberIds');
  await refused({ memberIds: Array.from({ length: 101 }, newId) }, 'INVALID_ARGUMENT', 'memberIds');
  const direct = (memberIds: string[]) => chat.step('beginOpenDirect', randomUUID(), { roomId: newId(), memberIds }) as never;
  const [one, other] = [newId(), newId()];
  for (const memberIds of [[], [one], [one, one], [one, other, ...Array.from({ length: 9 }, newId)]])
    await t.throwsAsync(direct(memberIds), { code: 'INVALID_ARGUMENT' });
});

test('each beginning is undone without a trace, also before it came', async (t) => {
  const [owner, member] = [newId(), newId()];
  const roomId = await chat.room(owner, member);
  const before = await stored(roomId);
  const asked = { roomId, byMemberId: owner };
  const beginnings: [string, object][] = [
    ['beginUpdateRoom', { ...asked, name: 'Another' }],
    ['beginDeleteRoom', asked],
    ['beginAddRoomMember', { ...asked, memberId: newId() }],
    ['beginRemoveRoomMember', { ...asked, memberId: member }],
  ];
  for (const [name, request] of beginnings) {
    const jobId = randomUUID();
    await chat.step(name, jobId, request);
    await t.throwsAsync(chat.step('beginDeleteRoom', randomUUID(), asked) as never, { code: 'ROOM_BUSY' }, name);
    // Who is in it talks on.
    t.is(typeof (await chat.post(roomId, member, name)).sequence, 'number');
    await chat.handlers.undo({ operationId: `${jobId}/${name}` }, call as never);
    const { log: _, ...after } = await stored(roomId);
    const { log: __, ...was } = before;
    t.deepEqual(after, was, name);
    await t.throwsAsync(chat.step('commitRoom', jobId, { roomId }) as never, { code: 'LOCK_NOT_HELD' });
    const late = randomUUID();
    await chat.handlers.undo({ operationId: `${late}/${name}` }, call as never);
    await t.throwsAsync(chat.step(name, late, request) as never, { code: 'OPERATION_UNDONE' });
  }
  for (const [name, request] of [
    ['beginCreateRoom', { roomId: newId(), ownerId: owner, name: 'x', memberIds: [] }],
    ['beginOpenDirect', { roomId: newId(), memberIds: [owner, member] }],
  ] as const) {
    const jobId = randomUUID();
    await chat.step(name, jobId, request);
    await chat.handlers.undo({ operationId: `${jobId}/${name}` }, call as never);
    t.deepEqual(await stored(request.roomId), { room: {}, members: {}, log: {}, listed: null }, name);
  }
});

test('only owners change a room and who is in it; the version that was read counts; others find none', async (t) => {
  const [owner, member, stranger] = [newId(), newId(), newId()];
  const roomId = await chat.room(owner, member);
  const by = (byMemberId: string, name: string, given: object = {}) =>
    chat.step(name, randomUUID(), { roomId, byMemberId, name: 'x', memberId: newId(), ...given }) as never;
  for (const name of ['beginUpdateRoom', 'beginDeleteRoom', 'beginAddRoomMember', 'beginRemoveRoomMember']) {
    await t.throwsAsync(by(member, name), { code: 'NOT_ROOM_OWNER' }, name);
    await t.throwsAsync(by(stranger, name), { code: 'ROOM_NOT_FOUND' }, name);
  }
  for (const name of ['beginUpdateRoom', 'beginDeleteRoom'])
    await t.throwsAsync(by(owner, name, { expectedVersion: 2 }), { code: 'VERSION_MISMATCH' }, name);
  await t.throwsAsync(by(owner, 'beginUpdateRoom', { name: ' ' }), { code: 'INVALID_ROOM' });
  await t.throwsAsync(by(owner, 'beginAddRoomMember', { memberId: member }), { code: 'ALREADY_IN_ROOM' });
  await t.throwsAsync(by(owner, 'beginRemoveRoomMember', { memberId: stranger }), { code: 'NOT_IN_ROOM' });

  const { written } = await chat.carryOut('beginUpdateRoom', { roomId, byMemberId: owner, name: 'Another', expectedVersion: 1 });
  const [told] = await chat.events(roomId, 'room.updated');
  t.like(told, { payload: { room: { name: 'Another' } } });
  t.is(written[0]?.version, told?.version);
  t.true((told?.version ?? 0) > 1);
});

test('members come and go: who was removed says nothing more; where the last owner goes, the eldest owns the room', async (t) => {
  const [owner, eldest, third, late] = [newId(), newId(), newId(), newId()];
  const roomId = await chat.room(owner, eldest);
  const add = (memberId: string) => chat.carryOut('beginAddRoomMember', { roomId, byMemberId: owner, memberId });
  await add(third);
  await add(late);
  await chat.post(roomId, third, 'Still here');
  await chat.carryOut('beginRemoveRoomMember', { roomId, byMemberId: owner, memberId: third });
  await t.throwsAsync(chat.post(roomId, third, 'Not any more'), { code: 'ROOM_NOT_FOUND' });
  t.deepEqual(await chat.redis.ask((client) => client.smembers(chat.redis.of(roomId).key(roomsOfKey(third)))), []);
  await chat.carryOut('beginRemoveRoomMember', { roomId, byMemberId: owner, memberId: owner });
  t.deepEqual(
    await membersOf(roomId),
    new Map([
      [eldest, true],
      [late, false],
    ]),
  );
  const told = (await chat.events(roomId, 'room-member.changed')).slice(-2);
  t.deepEqual(
    new Map(told.map(({ id, payload }) => [id.split('/')[1], (payload as { member?: object }).member !== undefined])),
    new Map([
      [owner, false],
      [eldest, true],
    ]),
  );
  // Each change of a member has a newer version than the one before, also where it comes again.
  const versions = (await chat.events(roomId)).filter(({ type }) => type.startsWith('room.')).map(({ version }) => version);
  t.deepEqual(
    versions,
    [...new Set(versions)].toSorted((a, b) => a - b),
  );
  await chat.carryOut('beginRemoveRoomMember', { roomId, byMemberId: eldest, memberId: eldest });
  await chat.carryOut('beginRemoveRoomMember', { roomId, byMemberId: late, memberId: late });
  t.is((await chat.events(roomId)).at(-1)?.type, 'room.deleted');
  const { log: _, ...left } = await stored(roomId);
  t.deepEqual(left, { room: {}, members: {}, listed: null });
});

test('those who talk directly have one room, whoever begins, and it stays as it is', async (t) => {
  const [one, other] = [newId(), newId()];
  const roomId = newId();
  await chat.carryOut('beginOpenDirect', { roomId, memberIds: [one, other] });
  const first = await stored(roomId);
  await chat.post(roomId, other, 'Hello');
  const { written } = await chat.carryOut('beginOpenDirect', { roomId, memberIds: [other, one] });
  t.like(written, [{ type: 'room', version: 1 }]);
  const { log: _, ...again } = await stored(roomId);
  const { log: __, ...was } = first;
  t.deepEqual(again, was);
  t.is((await chat.list(roomId, one)).last, 1);
  // While one begins, the other waits its turn.
  const jobId = randomUUID();
  await chat.step('beginOpenDirect', jobId, { roomId, memberIds: [one, other] });
  await t.throwsAsync(chat.step('beginOpenDirect', randomUUID(), { roomId, memberIds: [one, other] }) as never, {
    code: 'ROOM_BUSY',
  });
  await chat.step('commitRoom', jobId, { roomId });
  for (const [name, given] of [
    ['beginUpdateRoom', { name: 'x' }],
    ['beginDeleteRoom', {}],
    ['beginAddRoomMember', { memberId: newId() }],
    ['beginRemoveRoomMember', { memberId: one }],
  ] as const)
    await t.throwsAsync(
      chat.step(name, randomUUID(), { roomId, byMemberId: one, ...given }) as never,
      { code: 'DIRECT_ROOM' },
      name,
    );
});

test('a room has a bound of members, and a member one of rooms', async (t) => {
  const [owner, busy] = [newId(), newId()];
  const roomId = await chat.room(owner);
  const { key } = chat.redis.of(roomId);
  const place = JSON.stringify({ joinedAt: 1, owner: false, version: 1 });
  await chat.redis.ask(async (client) => {
    await client.hset(key(`room:${roomId}:members`), Object.fromEntries(Array.from({ length: 999 }, () => [newId(), place])));
    await client.sadd(key(roomsOfKey(busy)), ...Array.from({ length: MOST_ROOMS }, newId));
  });
  const add = (memberId: string, to = roomId) =>
    chat.step('beginAddRoomMember', randomUUID(), { roomId: to, byMemberId: owner, memberId }) as never;
  await t.throwsAsync(add(newId()), { code: 'TOO_MANY_ROOM_MEMBERS' });
  await t.throwsAsync(add(busy, await chat.room(owner)), { code: 'TOO_MANY_ROOMS' });
  await t.throwsAsync(chat.room(owner, busy), { code: 'TOO_MANY_ROOMS' });
  await t.throwsAsync(chat.room(busy), { code: 'TOO_MANY_ROOMS' });
  await t.throwsAsync(chat.step('beginOpenDirect', randomUUID(), { roomId: newId(), memberIds: [owner, busy] }) as never, {
    code: 'TOO_MANY_ROOMS',
  });
});

test('of many rooms is said in which a member is, and since which version; who comes again has a later one', async (t) => {
  const [owner, other] = [newId(), newId()];
  const [both, alone] = [await chat.room(owner, other), await chat.room(owner)];
  const placesOf = async (memberId: string, ...roomIds: string[]) => {
    const { places } = await chat.handlers.listPlaces({ memberId, roomIds }, call as never);
    return new Map(places.map(({ roomId, version }) => [roomId, version]));
  };
  t.deepEqual(await placesOf(other, both, alone, newId(), both), new Map([[both, 1]]));
  t.deepEqual([...(await placesOf(owner, both, alone)).keys()].toSorted(), [both, alone].toSorted());
  await chat.carryOut('beginRemoveRoomMember', { roomId: both, byMemberId: other, memberId: other });
  t.deepEqual(await placesOf(other, both), new Map());
  await chat.carryOut('beginAddRoomMember', { roomId: both, byMemberId: owner, memberId: other });
  t.true(((await placesOf(other, both)).get(both) ?? 0) > 1);
  for (const roomIds of [['x'], Array.from({ length: 101 }, newId)])
    await t.throwsAsync(chat.handlers.listPlaces({ memberId: other, roomIds }, call as never), { code: 'INVALID_ARGUMENT' });
});

test('what is committed says who has left', async (t) => {
  const [owner, other] = [newId(), newId()];
  const roomId = await chat.room(owner, other);
  const leftBy = async (name: string, request: object) =>
    (
      (await chat.carryOut(name, { roomId, byMemberId: owner, ...request })) as unknown as { leftMemberIds: string[] }
    ).leftMemberIds.toSorted();
  t.deepEqual(await leftBy('beginUpdateRoom', { name: 'Another name' }), []);
  t.deepEqual(await leftBy('beginRemoveRoomMember', { memberId: other }), [other]);
  t.deepEqual(await leftBy('beginAddRoomMember', { memberId: other }), []);
  t.deepEqual(await leftBy('beginDeleteRoom', {}), [owner, other].toSorted());
});

import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Database, sql } from '#platform/postgres/database.ts';
import type { Message } from '#proto/musubi/chat/v1/chat.ts';
import type { ListRoomMessagesRequest } from '#proto/musubi/query/v1/query.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { CREATED, eventMessage } from './events.fixture.ts';
import { project } from './projector.ts';
import { getRoom, listRoomMembers, listRoomMessages, listRooms } from './queries/rooms.ts';
import { messageEvent, roomEvent, roomMemberEvent, sampleMessage } from './room-events.fixture.ts';
import { openStore } from './store.ts';
import { tidy } from './tidy.ts';

const scratch = scratchDatabase('rooms');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const page = { pageSize: 0, pageToken: '' };
const NOT_FOUND = { code: 'ROOM_NOT_FOUND' };

/** A room with these in it. */
async function roomOf(...memberIds: string[]): Promise<string> {
  const roomId = randomUUID();
  await project(db, [
    roomEvent(roomId, 1, {}),
    ...memberIds.map((id) => roomMemberEvent(roomId, id, 1, { owner: id === 'ann' })),
  ]);
  return roomId;
}

/** Messages with these numbers. */
async function say(roomId: string, ...sequences: number[]): Promise<string[]> {
  const ids = sequences.map((sequence) => `${roomId}.${sequence}`);
  await project(
    db,
    sequences.map((sequence) => messageEvent(roomId, `${roomId}.${sequence}`, 1, { sequence, text: `no. ${sequence}` })),
  );
  return ids;
}

const history = async (roomId: string, asked: Partial<ListRoomMessagesRequest> = {}): Promise<Message[]> =>
  (await listRoomMessages(db, { roomId, limit: 100, ...asked })).messages;
const numbers = async (roomId: string, asked?: Partial<ListRoomMessagesRequest>): Promise<string> =>
  (await history(roomId, asked)).map(({ sequence }) => sequence).join(' ');

test('a room is shown to those who are in it as it is to each, and to nobody else', async (t) => {
  const roomId = await roomOf('ann', 'bob');
  const view = {
    roomId,
    kind: 'ROOM_KIND_ROOM',
    name: roomId,
    memberCount: 2,
    memberIds: [],
    createdAt: CREATED,
    updatedAt: new Date(CREATED.getTime() + 1),
    version: 1,
  };
  t.deepEqual<unknown, unknown>(await getRoom(db, { roomId, memberId: 'ann' }), { ...view, owned: true });
  t.deepEqual<unknown, unknown>(await getRoom(db, { roomId, memberId: 'bob' }), { ...view, owned: false });
  t.is((await listRoomMembers(db, { roomId, memberId: 'bob', ...page })).members.length, 2);
  for (const [room, memberId] of [
    [roomId, 'cy'],
    [roomId, ''],
    [roomId, '\0'],
    ['', 'ann'],
    ['\0', 'ann'],
    [randomUUID(), 'ann'],
  ] as const) {
    await t.throwsAsync(getRoom(db, { roomId: room, memberId }), NOT_FOUND);
    await t.throwsAsync(listRoomMembers(db, { roomId: room, memberId, ...page }), NOT_FOUND);
  }
  for (const memberId of ['cy-who-is-in-none', '', '\0'])
    t.deepEqual(await listRooms(db, { memberId, ...page }), { rooms: [], nextPageToken: '' });
  await project(db, [roomMemberEvent(roomId, 'bob', 2, undefined)]);
  await t.throwsAsync(getRoom(db, { roomId, memberId: 'bob' }), NOT_FOUND, 'who has left');
  t.is((await getRoom(db, { roomId, memberId: 'ann' })).memberCount, 1);
});

test('a direct room shows who is in it, and has no name', async (t) => {
  const [roomId, ...those] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const;
  await project(db, [
    roomEvent(roomId, 1, { kind: 'ROOM_KIND_DIRECT', name: '' }),
    ...those.map((id) => roomMemberEvent(roomId, id, 1, {})),
  ]);
  const [first] = those;
  const { rooms } = await listRooms(db, { memberId: first, ...page });
  t.like(rooms[0], { kind: 'ROOM_KIND_DIRECT', name: '', memberIds: those.toSorted(), memberCount: 3, owned: false });
  t.deepEqual(rooms, [await getRoom(db, { roomId, memberId: first })]);
});

test('pages of what a member is in are good for that and no other', async (t) => {
  const memberId = randomUUID();
  const [roomId] = await Promise.all([roomOf(memberId, 'eve'), roomOf(memberId)]);
  const { nextPageToken: pageToken } = await listRooms(db, { memberId, pageSize: 1, pageToken: '' });
  t.is((await listRooms(db, { memberId, pageSize: 1, pageToken })).rooms.length, 1);
  await t.throwsAsync(listRooms(db, { memberId: 'eve', pageSize: 1, pageToken }), { code: 'PAGE_TOKEN_INVALID' });
  await t.throwsAsync(listRoomMembers(db, { roomId, memberId, pageSize: 1, pageToken }), { code: 'PAGE_TOKEN_INVALID' });
  for (const pageSize of [-1, 101])
    await t.throwsAsync(listRooms(db, { memberId, pageSize, pageToken: '' }), { code: 'INVALID_ARGUMENT' });
});

test('a history is read from its end, before a place and after one', async (t) => {
  const roomId = await roomOf('ann');
  // Two were lost, and nobody gave their numbers again.
  await say(roomId, 1, 2, 5, 6, 7);
  t.is(await numbers(roomId), '7 6 5 2 1');
  t.is(await numbers(roomId, { limit: 2 }), '7 6');
  t.is(await numbers(roomId, { before: 6, limit: 2 }), '5 2');
  t.is(await numbers(roomId, { before: 4 }), '2 1');
  t.is(await numbers(roomId, { before: 1 }), '');
  t.is(await numbers(roomId, { after: 0, limit: 3 }), '1 2 5');
  t.is(await numbers(roomId, { after: 5 }), '6 7');
  t.is(await numbers(roomId, { after: 7 }), '');
  t.is(await numbers(randomUUID()), '');
  t.is(await numbers('\0'), '');
  await t.throwsAsync(history(roomId, { before: 3, after: 1 }), { code: 'INVALID_ARGUMENT' });
  for (const limit of [0, -1, 101]) await t.throwsAsync(history(roomId, { limit }), { code: 'INVALID_ARGUMENT' });
});

test('what is said while a history is read hides and repeats nothing that was said before', async (t) => {
  const roomId = await roomOf('ann');
  await say(roomId, 1, 2, 3, 4, 5);
  const [back, forth]: number[][] = [[], []];
  let [before, after]: [number | undefined, number] = [undefined, 0];
  for (let next = 6; next < 12; next++) {
    const older = await history(roomId, { before, limit: 2 });
    before = older.at(-1)?.sequence ?? before;
    back?.push(...older.map(({ sequence }) => sequence));
    const newer = await history(roomId, { after, limit: 2 });
    after = newer.at(-1)?.sequence ?? after;
    forth?.push(...newer.map(({ sequence }) => sequence));
    await say(roomId, next);
    await project(db, [messageEvent(roomId, `${roomId}.${next - 4}`, 2, { sequence: next - 4, text: 'edited' })]);
  }
  t.deepEqual(back, [5, 4, 3, 2, 1]);
  t.deepEqual(forth, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].slice(0, forth?.length));
  t.true((forth?.length ?? 0) >= 8);
});

test('a message is read as it was told, whole; one that was deleted keeps its place, and of one that was removed nothing is left', async (t) => {
  const roomId = await roomOf('ann');
  const [first = '', second = ''] = await say(roomId, 1, 2);
  const state: Partial<Message> = {
    sequence: 3,
    memberId: 'bob',
    text: ' <b>結び</b>\n\u202e end',
    replyToId: first,
    reactions: [
      { emoji: '👍', memberIds: ['cy', 'ann'] },
      { emoji: '🎉', memberIds: ['ann'] },
    ],
    editedAt: new Date(CREATED.getTime() + 9),
  };
  const third = `${roomId}.3`;
  await project(db, [messageEvent(roomId, third, 4, state)]);
  t.deepEqual((await history(roomId))[0], sampleMessage(roomId, third, 4, state));
  const deletedAt = new Date(CREATED.getTime() + 10);
  const deleted = { sequence: 3, memberId: 'bob', text: '', deletedAt };
  await project(db, [messageEvent(roomId, third, 5, deleted)]);
  t.deepEqual((await history(roomId))[0], sampleMessage(roomId, third, 5, deleted));
  // Who said it is gone.
  await project(db, [messageEvent(roomId, third, 6, { ...deleted, memberId: '' })]);
  t.deepEqual((await history(roomId))[0], sampleMessage(roomId, third, 6, { ...deleted, memberId: '' }));
  await project(db, [messageEvent(roomId, third, 7, undefined), eventMessage('message', 'erased', second, 2, null)]);
  t.is(await numbers(roomId), '1');
  await project(db, [messageEvent(roomId, third, 6, state), messageEvent(roomId, second, 1, { sequence: 2 })]);
  t.is(await numbers(roomId), '1', 'late events bring nothing back');
});

test('an event of a message that is not as agreed is refused for good', async (t) => {
  const [roomId, messageId] = [randomUUID(), randomUUID()];
  const { data } = messageEvent(roomId, messageId, 1, {});
  const { message } = data as { message: object };
  for (const wrong of [{ sequence: 0 }, { sequence: 1.5 }, { roomId: '' }, { createdAt: 'now' }, { reactions: [{}] }]) {
    const event = eventMessage('message', 'posted', messageId, 1, { ...(data as object), message: { ...message, ...wrong } });
    await t.throwsAsync(project(db, [event]), { name: 'PoisonError' }, JSON.stringify(wrong));
  }
  const asText = { ...(data as object), message: { ...message, sequence: '1' } };
  await project(db, [eventMessage('message', 'posted', messageId, 1, asText)]);
  t.is(await numbers(roomId), '1', 'int64 as text is proto3 JSON too; and the room may come later');
});

/** What is kept of a room, besides versions. */
const kept = (roomId: string): Promise<unknown[]> =>
  db.query(sql`
    select id from rooms where id = ${roomId} and name is not null
    union all select id from room_members where room_id = ${roomId}
    union all select id from messages where room_id = ${roomId} or (id like ${`${roomId}.%`} and text is not null)`);

test('with a room all goes that was in it, and nothing that comes late brings it back', async (t) => {
  const roomId = await roomOf('ann', 'bob');
  const other = await roomOf('ann');
  await Promise.all([say(roomId, 1, 2), say(other, 1)]);
  t.is((await kept(roomId)).length, 5);
  await project(db, [roomEvent(roomId, 2, undefined)]);
  t.deepEqual(await kept(roomId), []);
  await project(db, [
    roomEvent(roomId, 1, {}),
    roomMemberEvent(roomId, 'ann', 7, {}),
    roomMemberEvent(roomId, 'cy', 1, {}),
    messageEvent(roomId, `${roomId}.2`, 7, { sequence: 2 }),
    messageEvent(roomId, `${roomId}.3`, 1, { sequence: 3 }),
  ]);
  t.deepEqual(await kept(roomId), []);
  for (const memberId of ['ann', 'bob', 'cy']) {
    await t.throwsAsync(getRoom(db, { roomId, memberId }), NOT_FOUND);
    await t.throwsAsync(listRoomMembers(db, { roomId, memberId, ...page }), NOT_FOUND);
    const { rooms } = await listRooms(db, { memberId, pageSize: 100, pageToken: '' });
    t.false(rooms.some((one) => one.roomId === roomId));
  }
  t.is(await numbers(roomId), '');
  t.is(await numbers(other), '1');
  t.truthy(await getRoom(db, { roomId: other, memberId: 'ann' }));
});

test.serial(
  'what another transaction has written while the room went is not shown, and is erased at the next hour',
  async (t) => {
    const roomId = await roomOf('ann');
    await say(roomId, 1);
    // As if neither had seen the other.
    await db.query(sql`update rooms set gone_at = now() where id = ${roomId}`);
    await t.throwsAsync(getRoom(db, { roomId, memberId: 'ann' }), NOT_FOUND);
    await t.throwsAsync(listRoomMembers(db, { roomId, memberId: 'ann', ...page }), NOT_FOUND);
    t.is(await numbers(roomId), '');
    await tidy(db);
    t.is((await kept(roomId)).length, 1, 'the row of the room itself');
  },
);

test.serial(
  'a room with more than one transaction erases goes at once for who reads, and at the next hour from the disk',
  async (t) => {
    const roomId = await roomOf('ann');
    await db.query(sql`
    insert into messages (id, version, room_id, sequence, member_id, text, reactions, people, created_at)
    select ${roomId} || '.' || n, 1, ${roomId}, n, 'ann', 'x', '[]', '{ann}', now() from generate_series(1, 5001) n`);
    await project(db, [roomEvent(roomId, 2, undefined)]);
    t.is((await kept(roomId)).length, 1);
    t.is(await numbers(roomId), '');
    await tidy(db);
    t.deepEqual(await kept(roomId), []);
  },
);

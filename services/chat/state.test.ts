import test from 'ava';
import type { Handlers } from '#platform/grpc/server.ts';
import { newId } from '#platform/validation/id.ts';
import type { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { type Chat, call, openChat } from './chat.fixture.ts';
import { chatState } from './state.ts';

const RECENT = 3;
let chat: Chat;
let state: Handlers<StateServiceService>;
test.before(async () => {
  chat = await openChat('state');
  state = chatState(chat.messages, RECENT).handlers as Handlers<StateServiceService>;
});
test.after.always(() => chat.close());

const tell = (aggregateType: string, which: object = {}) =>
  Array.fromAsync(state.tellState({ aggregateType, afterId: '', limit: 0, ids: [], begun: false, ...which }, call));
const raise = async (aggregateType: string, ...seen: { id: string; version: number }[]) =>
  (await state.raiseVersions({ aggregateType, seen: seen.map((one) => ({ type: aggregateType, ...one })) }, call)).written;
const idsOf = (told: { id: string }[]) => told.map(({ id }) => id);

test('rooms, who is in them and all messages are told in the order of their IDs, page by page', async (t) => {
  const members = Array.from({ length: 3 }, newId);
  const roomIds = [];
  for (let at = 0; at < 20; at++) roomIds.push(await chat.room(...members));
  const messageIds = [];
  for (const roomId of roomIds.slice(0, 3))
    for (let at = 0; at < 6; at++) messageIds.push((await chat.post(roomId, members[0] ?? '', `Number ${at}`)).messageId);
  const expected = {
    room: roomIds,
    'room-member': roomIds.flatMap((roomId) => members.map((memberId) => `${roomId}/${memberId}`)),
    message: messageIds,
  };
  for (const [type, ids] of Object.entries(expected)) {
    const mine = new Set(ids);
    t.deepEqual(
      idsOf(await tell(type)).filter((id) => mine.has(id)),
      ids.toSorted(),
      type,
    );
    const paged: string[] = [];
    for (let after = ''; ; after = paged.at(-1) ?? '') {
      const page = idsOf(await tell(type, { afterId: after, limit: 7 }));
      paged.push(...page);
      if (page.length < 7) break;
    }
    t.deepEqual(
      paged.filter((id) => mine.has(id)),
      ids.toSorted(),
      type,
    );
    t.deepEqual(idsOf(await tell(type, { ids: [ids[0], newId(), `${newId()}/${newId()}`] })), [ids[0]], type);
  }
});

test('each is told as its events tell it', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  const { messageId } = await chat.post(roomId, taro, 'Hello');
  await chat.handlers.react({ roomId, memberId: taro, messageId, emoji: '👍', remove: false }, call as never);
  const { message } = await chat.handlers.deleteMessage(
    { roomId, memberId: taro, messageId, expectedVersion: undefined },
    call as never,
  );
  await chat.carryOut('beginUpdateRoom', { roomId, byMemberId: taro, name: 'Another' });
  const events = await chat.events(roomId);
  for (const [type, id] of [
    ['room', roomId],
    ['room-member', `${roomId}/${taro}`],
    ['message', messageId],
  ] as const) {
    const [told] = await tell(type, { ids: [id] });
    const last = events.findLast((event) => event.id === id);
    t.deepEqual([told?.version, JSON.parse(told?.payloadJson ?? '')], [last?.version, last?.payload], type);
  }
  t.is((await tell('message', { ids: [messageId] }))[0]?.type, 'message.deleted');
  t.is((await tell('message', { ids: [messageId] }))[0]?.version, message?.version);
  await chat.step('beginDeleteRoom', newId(), { roomId, byMemberId: taro });
  t.like(await tell('room', { ids: [roomId] }), [{ changing: true }]);
  t.like(await tell('room-member', { ids: [`${roomId}/${taro}`] }), [{ changing: true }]);
});

test('one that nobody sees yet is not told', async (t) => {
  const roomId = newId();
  await chat.step('beginCreateRoom', newId(), { roomId, ownerId: newId(), name: 'x', memberIds: [] });
  t.deepEqual(await tell('room', { ids: [roomId] }), []);
  t.deepEqual(await raise('room', { id: roomId, version: 1 }), [{ type: 'room', id: roomId, version: 2 }]);
});

test('what readers know as newer gets the version after that, and what is not there is told to be gone', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  const { messageId } = await chat.post(roomId, taro, 'Hello');
  const placeId = `${roomId}/${taro}`;
  for (const [type, id] of [
    ['room', roomId],
    ['message', messageId],
    ['room-member', placeId],
  ] as const) {
    const seen = 3_000_000_000_000_000;
    t.deepEqual(
      (await raise(type, { id, version: seen })).filter((one) => one.id === id),
      [{ type, id, version: seen + 1 }],
      type,
    );
    t.is((await tell(type, { ids: [id] }))[0]?.version, seen + 1, type);
    t.deepEqual(await raise(type, { id, version: seen }), [], type);
  }
  // What comes after that is newer.
  await chat.carryOut('beginUpdateRoom', { roomId, byMemberId: taro, name: 'Another' });
  t.true(((await tell('room', { ids: [roomId] }))[0]?.version ?? 0) > 3_000_000_000_000_001);
  const gone = [newId(), newId()].join('/');
  t.deepEqual(await raise('room-member', { id: gone, version: 4 }), [{ type: 'room-member', id: gone, version: 5 }]);
  for (const type of ['room', 'message']) {
    const id = newId();
    t.deepEqual(await raise(type, { id, version: 4 }), [{ type, id, version: 5 }], type);
  }
});

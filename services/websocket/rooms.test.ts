import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { TestClient } from './client.fixture.ts';
import { settled } from './group-events.fixture.ts';
import { newMessage } from './peers.fixture.ts';
import { heard, heardBy, messageEvent, openRooms, placeEvent, resume, roomEvent, topicOf } from './room-events.fixture.ts';
import { narrowSockets } from './steps/narrow-sockets.ts';

// Who is in a room follows what is said there: each once, in order, also after a drop, and for as long as it is in it.

const { sockets, one, two, connect, enter, leave, following } = await openRooms({ limits: { pingMs: 3_600_000 } });
test.after.always(() => sockets.close());
test.afterEach.always(() => {
  sockets.chatIsAway = false;
});

const narrow = (me: string) => narrowSockets(sockets.store, [me]);
const errors = (client: TestClient) => client.of('error').map(({ topic, code }) => [topic, code]);
const ends = (client: TestClient) => client.of('unsubscribed').map(({ topics, code }) => ({ topics, code }));
const revoked = (roomId: string) => ({ topics: [topicOf(roomId)], code: 'PERMISSION_REVOKED' });
const said = (roomId: string, ...sequences: number[]) =>
  sequences.map((sequence) => messageEvent('posted', { roomId, sequence }));

test.serial('what is said comes to all on every instance, whole, once and in order, and so do its changes', async (t) => {
  const { roomId, client } = await following(one);
  const { client: other } = await following(two, roomId);
  const { client: stranger } = await following();
  const message = newMessage({ roomId, text: 'こんにちは', reactions: [{ emoji: '🍉', memberIds: [randomUUID()] }] });
  const edited = { ...message, text: 'さようなら', editedAt: new Date(1_790_000_001_000), version: 2 };
  const deleted = { ...message, text: '', reactions: [], deletedAt: new Date(1_790_000_002_000), version: 3 };
  const events = [
    messageEvent('posted', { roomId, message }),
    messageEvent('updated', { roomId, message: edited }),
    messageEvent('deleted', { roomId, message: deleted }),
  ];
  await sockets.say(...events);
  await sockets.say(...events, ...said(roomId, 2, 3));
  for (const each of [client, other]) await heard(each, 5);
  await settled(stranger);
  const [first, second, third, ...rest] = client.of('message');
  const { messageId: id, memberId, text, sequence, reactions } = message;
  const createdAt = '2026-09-21T14:13:20.000Z';
  t.deepEqual(first, {
    ...{ type: 'message', topic: topicOf(roomId), cursor: first?.cursor ?? '', roomId },
    message: { id, roomId, sequence, memberId, text, reactions, createdAt, version: 1 },
  });
  t.like(second, { change: 'updated', message: { text: 'さようなら', version: 2 } });
  t.like(third, { change: 'deleted', message: { text: undefined, deletedAt: '2026-09-21T14:13:22.000Z', version: 3 } });
  t.deepEqual(
    rest.map((frame) => [frame.change, frame.message.sequence]),
    [
      [undefined, 2],
      [undefined, 3],
    ],
  );
  t.deepEqual(other.of('message'), client.of('message'));
  t.deepEqual(heardBy(stranger), []);
});

test.serial(
  'that the room has changed, and who comes and goes, is told; of a message of which nothing is left nothing',
  async (t) => {
    const { roomId, client } = await following();
    const nothing = { ...messageEvent('deleted', { roomId }) };
    const { messageId, version } = nothing.payload as { messageId: string; version: number };
    await sockets.say({ ...nothing, payload: { messageId, roomId, version } });
    const who = randomUUID();
    await sockets.say(roomEvent('updated', roomId, 2));
    await sockets.say(placeEvent(roomId, who, 2, true));
    await sockets.say(placeEvent(roomId, who, 3, false));
    await sockets.say(roomEvent('deleted', roomId, 4));
    await heard(client, 4);
    t.deepEqual(heardBy(client), ['room updated 2', 'room-member changed 2', 'room-member ended 3', 'room deleted 4']);
    t.true(client.of('room-member').every(({ memberId }) => memberId === who));
    t.false(JSON.stringify(client.frames).includes('a name'));
  },
);

test.serial('who is not in a room, or may read none, is refused in the same words as if there was none', async (t) => {
  const me = randomUUID();
  const [notIn, mayNot] = [randomUUID(), randomUUID()];
  sockets.allow(me, notIn, 'room.read');
  sockets.places.set(`${me} ${mayNot}`, 1);
  const client = await connect(me);
  await client.subscribe([notIn, mayNot, 'x'].map(topicOf));
  t.deepEqual(
    errors(client),
    [notIn, mayNot, 'x'].map((id) => [topicOf(id), 'ROOM_NOT_FOUND']),
  );
  t.is(new Set(client.of('error').map(({ message }) => message)).size, 1);
});

test.serial('an ID is read in either case', async (t) => {
  const { roomId, client } = await following();
  await client.subscribe([topicOf(roomId.toUpperCase())]);
  t.deepEqual(client.of('subscribed').at(-1)?.topics, [topicOf(roomId)]);
  await sockets.say(...said(roomId, 1));
  await heard(client, 1);
  await settled(client);
  t.deepEqual(heardBy(client), ['message new 1']);
});

test.serial('who comes back with a cursor has what was missed, once and in order; another one has nothing of it', async (t) => {
  const { roomId, me, client } = await following();
  await sockets.say(...said(roomId, 1));
  await heard(client, 1);
  const { cursor } = client.of('message')[0] ?? {};
  client.drop();
  await sockets.say(...said(roomId, 2, 3));
  const again = await connect(me, two);
  await resume(again, roomId, cursor);
  await sockets.say(...said(roomId, 4));
  await heard(again, 3);
  await settled(again);
  t.deepEqual(heardBy(again), ['message new 2', 'message new 3', 'message new 4']);
  const other = randomUUID();
  enter(other, roomId, 2);
  const newcomer = await connect(other);
  await resume(newcomer, roomId, cursor);
  await settled(newcomer);
  t.deepEqual([heardBy(newcomer), newcomer.of('reset').map(({ topic }) => topic)], [[], [topicOf(roomId)]]);
});

test.serial('who was removed hears no more once its sockets are narrowed, and from when it is back on again', async (t) => {
  const { roomId, me, client } = await following(one);
  const { client: second } = await following(two, roomId, me);
  const { client: other } = await following(two, roomId);
  await sockets.say(...said(roomId, 1));
  for (const each of [client, second, other]) await heard(each, 1);
  const cursor = client.of('message')[0]?.cursor;
  leave(me, roomId);
  await narrow(me);
  await sockets.say(...said(roomId, 2));
  await heard(other, 2);
  for (const each of [client, second]) {
    await settled(each);
    t.deepEqual([heardBy(each), ends(each)], [['message new 1'], [revoked(roomId)]]);
  }
  enter(me, roomId, 5);
  const before = client.of('reset').length;
  await resume(client, roomId, cursor);
  await sockets.say(...said(roomId, 3));
  await heard(client, 2);
  t.deepEqual([heardBy(client), client.of('reset').length], [['message new 1', 'message new 3'], before + 1]);
});

test.serial('without Chat no room can be followed, and all else can', async (t) => {
  const { roomId, me } = await following();
  const groupId = randomUUID();
  sockets.allow(me, groupId);
  sockets.chatIsAway = true;
  const client = await connect(me);
  await client.subscribe([topicOf(roomId), `group:${groupId}`]);
  t.deepEqual(errors(client), [[topicOf(roomId), 'STORE_UNAVAILABLE']]);
  t.deepEqual(client.of('subscribed').at(-1)?.topics, [`group:${groupId}`]);
});

test.serial('while Chat does not say who is in a room, nothing is told of it, and then what was missed', async (t) => {
  const { roomId, me, client } = await following();
  const { roomId: left } = await following(one, undefined, me);
  await client.subscribe([topicOf(left)]);
  sockets.chatIsAway = true;
  leave(me, left);
  await narrow(me);
  await sockets.say(...said(roomId, 1), ...said(left, 1));
  await settled(client);
  t.deepEqual([heardBy(client), ends(client)], [[], []]);
  sockets.chatIsAway = false;
  await heard(client, 1);
  await client.count('unsubscribed', 1);
  await settled(client);
  t.deepEqual([heardBy(client), ends(client)], [['message new 1'], [revoked(left)]]);
  t.is(client.closed, undefined);
});

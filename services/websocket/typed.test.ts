import { randomUUID } from 'node:crypto';
import test from 'ava';
import { unauthenticated } from '#platform/errors.ts';
import { messageIdOf } from '#platform/message-view.ts';
import type { TestClient } from './client.fixture.ts';
import { openRooms } from './room-events.fixture.ts';

// What a client types: in order, each `ref` once, and every refusal with its `ref`.

const { sockets, connect, enter, leave } = await openRooms({ limits: { typedAtOnce: 4 } });
test.after.always(() => sockets.close());
test.afterEach.always(() => {
  sockets.chatIsAway = false;
  sockets.beforePosted = async () => undefined;
});

async function inRoom(): Promise<{ roomId: string; me: string; client: TestClient }> {
  const [me, roomId] = [randomUUID(), randomUUID()];
  enter(me, roomId);
  return { roomId, me, client: await connect(me) };
}
const postedIn = (roomId: string): string[] => sockets.posted.filter((one) => one.roomId === roomId).map(({ text }) => text);

test.serial('what is sent is said in its order, and acknowledged; the same ref is the same message', async (t) => {
  const { roomId, me, client } = await inRoom();
  const replyToId = randomUUID();
  for (let n = 1; n <= 12; n++) client.send({ type: 'send', ref: `r${n}`, roomId: roomId.toUpperCase(), text: `Number ${n}` });
  client.send({ type: 'send', ref: 'r1', roomId, text: 'Number 1' });
  client.send({ type: 'send', ref: 'reply', roomId, text: 'A reply', replyToId });
  const acks = await client.count('ack', 14);
  t.deepEqual(postedIn(roomId), [...Array.from({ length: 12 }, (_, at) => `Number ${at + 1}`), 'A reply']);
  t.is(sockets.posted.at(-1)?.replyToId, replyToId);
  t.deepEqual(acks[0], { type: 'ack', ref: 'r1', messageId: messageIdOf(me, roomId, 'r1'), sequence: acks[0]?.sequence ?? 0 });
  t.deepEqual(acks[12], acks[0]);
  t.deepEqual(
    acks.map(({ ref }) => ref),
    [...Array.from({ length: 12 }, (_, at) => `r${at + 1}`), 'r1', 'reply'],
  );
  const other = randomUUID();
  enter(other, roomId);
  const another = await connect(other);
  another.send({ type: 'send', ref: 'r1', roomId, text: 'Another' });
  t.not((await another.count('ack', 1))[0]?.messageId, acks[0]?.messageId);
});

test.serial('what is read is noted, and acknowledged where it has a ref', async (t) => {
  const { roomId, client } = await inRoom();
  client.send({ type: 'read', roomId, sequence: 3 });
  client.send({ type: 'read', roomId, sequence: 4, ref: 'r' });
  t.deepEqual(await client.count('ack', 1), [{ type: 'ack', ref: 'r', sequence: 4 }]);
});

test.serial('each refusal has its ref, and the socket stays open', async (t) => {
  const { roomId, me, client } = await inRoom();
  const elsewhere = randomUUID();
  sockets.allow(me, elsewhere, 'room.post', 'room.read');
  const send = (ref: string, given: object = {}) => client.send({ type: 'send', ref, roomId, text: 'x', ...given });
  send('not in it', { roomId: elsewhere });
  send('blank', { text: ' \u3000\u200b' });
  send('empty', { text: '' });
  send('nul', { text: 'a\0b' });
  send('half', { text: 'a\ud83d' });
  send('long', { text: 'x'.repeat(16_001) });
  client.send({ type: 'read', ref: 'read', roomId: elsewhere, sequence: 1 });
  sockets.forbid(me, roomId, 'room.post');
  send('forbidden');
  const errors = await client.count('error', 8);
  t.deepEqual(
    errors.map(({ ref, code }) => [ref, code]),
    [
      ['not in it', 'ROOM_NOT_FOUND'],
      ...['blank', 'empty', 'nul', 'half', 'long'].map((ref) => [ref, 'INVALID_MESSAGE']),
      ['read', 'ROOM_NOT_FOUND'],
      ['forbidden', 'PERMISSION_DENIED'],
    ],
  );
  t.deepEqual(postedIn(roomId), []);
  sockets.allow(me, roomId, 'room.post');
  sockets.chatIsAway = true;
  send('away');
  t.like((await client.count('error', 9))[8], { ref: 'away', code: 'STORE_UNAVAILABLE' });
  sockets.chatIsAway = false;
  send('away');
  t.like((await client.count('ack', 1))[0], { ref: 'away' });
  leave(me, roomId);
  send('removed');
  t.like((await client.count('error', 10))[9], { ref: 'removed', code: 'ROOM_NOT_FOUND' });
  t.is(client.closed, undefined);
});

test.serial(
  'while Chat takes its time, so much of a socket waits there as may, and other frames are answered until then',
  async (t) => {
    const { roomId, client } = await inRoom();
    const held = Promise.withResolvers<void>();
    sockets.beforePosted = () => held.promise;
    for (let n = 1; n <= 3; n++) client.send({ type: 'send', ref: `r${n}`, roomId, text: 'x' });
    client.send({ type: 'ping', ref: 'before' });
    await client.until(() => client.of('pong').length === 1);
    client.send({ type: 'send', ref: 'r4', roomId, text: 'x' });
    client.send({ type: 'ping', ref: 'after' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.is(client.of('pong').length, 1, 'it is not read');
    t.is(postedIn(roomId).length, 1);
    held.resolve();
    await client.count('pong', 2);
    await client.count('ack', 4);
    t.is(postedIn(roomId).length, 4);
  },
);

test.serial('whose session has ended says nothing more', async (t) => {
  const { roomId, client } = await inRoom();
  sockets.before.authorize = async () => {
    throw unauthenticated('SESSION_REVOKED', 'the session was ended');
  };
  t.teardown(() => {
    sockets.before.authorize = async () => undefined;
  });
  client.send({ type: 'send', ref: 'r', roomId, text: 'x' });
  t.is(await client.closeCode(), 4403);
  t.deepEqual(postedIn(roomId), []);
});

import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { admin, type Client, login, register, unique } from '../client.ts';
import { type Started, startProgram } from '../processes.ts';
import { type Frame, Socket } from '../socket.ts';

// Who is in a room hears on its sockets what is said there, at whichever node, and says something there itself; and hears nothing once it is
// acknowledged that it is not in it any more.

const wait = { prefer: 'wait=30' };

let other: Started;
test.before(async () => {
  other = await startProgram('websocket');
});
test.after.always(() => other?.stop());

interface Someone {
  memberId: string;
  client: Client;
}

async function someone(as: Client): Promise<Someone> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

async function make(t: ExecutionContext, { client }: Someone, ...others: Someone[]): Promise<string> {
  const made = await client.post('/v1/rooms', { name: unique('Room'), memberIds: others.map(({ memberId }) => memberId) }, wait);
  t.is(made.status, 201, JSON.stringify(made.body));
  return made.body.id;
}

const topicOf = (roomId: string): string => `room:${roomId}`;
const elsewhere = (): string => `ws://127.0.0.1:${other.ports.http}/v1/events`;

/** A socket that follows a room, and where it begins. */
async function follow({ client }: Someone, roomId: string, { url, cursor }: { url?: string; cursor?: string } = {}) {
  const socket = await Socket.open(client.token, url);
  const topic = topicOf(roomId);
  socket.send({ type: 'subscribe', topics: [topic], ...(cursor ? { cursors: { [topic]: cursor } } : {}) });
  await socket.frame(({ type, topics }) => type === 'subscribed' && topics?.includes(topic) === true);
  return socket;
}

const said = (socket: Socket): Frame[] => socket.frames.filter(({ type }) => type === 'message');
const texts = (socket: Socket): (string | undefined)[] => said(socket).map(({ message }) => message?.text);
const heard = (socket: Socket, text: string): Promise<Frame> => socket.frame(({ message }) => message?.text === text);

async function settled(socket: Socket): Promise<void> {
  const ref = randomUUID();
  socket.send({ type: 'ping', ref });
  await socket.frame((frame) => frame.type === 'pong' && frame.ref === ref);
}

/** Sends, and waits for the answer. */
async function answer(socket: Socket, frame: { type: string; ref: string; [field: string]: unknown }): Promise<Frame> {
  const before = socket.frames.length;
  socket.send(frame);
  return await socket.frame((one) => one.ref === frame.ref && socket.frames.indexOf(one) >= before);
}

test('what is said by socket and by REST comes to all in the room, once and in order, with its changes', async (t) => {
  const as = await admin();
  const [one, two, stranger] = [await someone(as), await someone(as), await someone(as)];
  const roomId = await make(t, one, two);
  const here = await follow(one, roomId);
  const there = await follow(two, roomId, { url: elsewhere() });
  const refused = await Socket.open(stranger.client.token);
  refused.send({ type: 'subscribe', topics: [topicOf(roomId)] });
  t.like(await refused.frame(({ type }) => type === 'error'), { topic: topicOf(roomId), code: 'ROOM_NOT_FOUND' });

  for (let n = 1; n <= 10; n++) (n % 2 ? here : there).send({ type: 'send', ref: `r${n}`, roomId, text: `Number ${n}` });
  const path = `/v1/rooms/${roomId}/messages`;
  const posted = await one.client.post(path, { text: 'By REST' });
  t.is(posted.status, 201);
  for (const socket of [here, there]) {
    for (let n = 1; n <= 10; n++) await heard(socket, `Number ${n}`);
    await heard(socket, 'By REST');
  }
  const sequences = said(here).map(({ message }) => message?.sequence);
  t.deepEqual(
    sequences,
    Array.from({ length: 11 }, (_, at) => at + 1),
  );
  t.deepEqual(
    texts(here).filter((text) => /Number \d*[13579]$/.test(text ?? '')),
    [1, 3, 5, 7, 9].map((n) => `Number ${n}`),
    'in the order in which one sent it',
  );
  t.deepEqual(said(there), said(here));
  const frame = said(here).find(({ message }) => message?.id === posted.body.id);
  t.deepEqual(frame?.message, posted.body, 'as REST shows it');

  t.is((await one.client.patch(`${path}/${posted.body.id}`, { text: 'In other words' })).status, 200);
  t.is((await one.client.delete(`${path}/${posted.body.id}`)).status, 200);
  const deleted = await there.frame(({ type, change }) => type === 'message' && change === 'deleted');
  t.like(deleted.message, { id: posted.body.id, text: undefined });
  t.deepEqual(
    said(there)
      .slice(11)
      .map(({ change, message }) => [change, message?.id]),
    ['updated', 'deleted'].map((change) => [change, posted.body.id]),
  );
  await settled(refused);
  t.deepEqual(said(refused), []);
  for (const socket of [here, there, refused]) await socket.close();
});

test('a message is acknowledged with its place; the same ref is the same message, on any socket; what it may not be is refused', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const roomId = await make(t, one, two);
  const socket = await follow(one, roomId);
  const again = await Socket.open(one.client.token, elsewhere());
  const ack = await answer(socket, { type: 'send', ref: 'a', roomId, text: 'Once' });
  t.like(ack, { type: 'ack', sequence: 1 });
  t.deepEqual(await answer(again, { type: 'send', ref: 'a', roomId, text: 'Once' }), ack);
  t.like(await answer(again, { type: 'send', ref: 'a', roomId, text: 'Else' }), {
    type: 'error',
    code: 'IDEMPOTENCY_KEY_REUSED',
  });
  const repeated = await one.client.post(`/v1/rooms/${roomId}/messages`, { text: 'Once' }, { 'idempotency-key': 'a' });
  t.is(repeated.body.id, ack.messageId, 'a key of REST is one with it');
  t.like(await answer(socket, { type: 'send', ref: 'b', roomId, text: 'A reply', replyToId: ack.messageId }), { sequence: 2 });
  const { body } = await two.client.get(`/v1/rooms/${roomId}/messages`);
  t.deepEqual(
    body.items.map(({ text }: { text: string }) => text),
    ['A reply', 'Once'],
    'what is acknowledged is in the history that is read next',
  );

  const unread = async () => (await two.client.get('/v1/unread')).body.items.length;
  const reader = await Socket.open(two.client.token);
  t.is(await unread(), 1);
  t.like(await answer(reader, { type: 'read', ref: 'c', roomId, sequence: 2 }), { type: 'ack', sequence: 2 });
  t.is(await unread(), 0);

  const wrong: [object, string][] = [
    [{ type: 'send', roomId, text: ' ' }, 'INVALID_MESSAGE'],
    [{ type: 'send', roomId, text: 'x', replyToId: randomUUID() }, 'MESSAGE_NOT_FOUND'],
    [{ type: 'send', roomId: randomUUID(), text: 'x' }, 'ROOM_NOT_FOUND'],
    [{ type: 'send', roomId: 'x', text: 'x' }, 'BAD_FRAME'],
    [{ type: 'send', roomId }, 'BAD_FRAME'],
    [{ type: 'read', roomId, sequence: 99 }, 'SEQUENCE_AHEAD'],
    [{ type: 'read', roomId: randomUUID(), sequence: 1 }, 'ROOM_NOT_FOUND'],
    [{ type: 'read', roomId, sequence: -1 }, 'BAD_FRAME'],
  ];
  for (const [at, [frame, code]] of wrong.entries())
    t.like(await answer(socket, { type: '', ...frame, ref: `wrong ${at}` }), { type: 'error', code }, JSON.stringify(frame));
  t.is(socket.closed, undefined);
  await settled(socket);
  t.deepEqual(texts(socket), ['Once', 'A reply']);
  for (const each of [socket, again, reader]) await each.close();
});

test('who comes back with its cursor has what was missed, once and in order', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const roomId = await make(t, one, two);
  const author = await follow(one, roomId);
  const first = await follow(two, roomId, { url: elsewhere() });
  for (let n = 1; n <= 3; n++) await answer(author, { type: 'send', ref: `r${n}`, roomId, text: `Number ${n}` });
  const { cursor = '' } = await heard(first, 'Number 3');
  await first.close();
  for (let n = 4; n <= 8; n++) await answer(author, { type: 'send', ref: `r${n}`, roomId, text: `Number ${n}` });
  await heard(author, 'Number 8');
  const second = await follow(two, roomId, { cursor });
  await answer(author, { type: 'send', ref: 'r9', roomId, text: 'Number 9' });
  await heard(second, 'Number 9');
  await settled(second);
  t.deepEqual(
    texts(second),
    [4, 5, 6, 7, 8, 9].map((n) => `Number ${n}`),
  );
  for (const socket of [author, second]) await socket.close();
});

/** How somebody comes to be in a room no more. */
const WAYS: Record<string, (owner: Someone, one: Someone, path: string) => Promise<{ status: number }>> = {
  'it was removed': ({ client }, { memberId }, path) => client.delete(`${path}/members/${memberId}`, wait),
  'it has left': (_, { client, memberId }, path) => client.delete(`${path}/members/${memberId}`, wait),
  'the room is deleted': ({ client }, _, path) => client.delete(path, wait),
};

for (const [way, end] of Object.entries(WAYS)) {
  test(`a member hears nothing of a room once it is acknowledged that ${way}, but that it may not, and says nothing there`, async (t) => {
    const as = await admin();
    const [owner, one] = [await someone(as), await someone(as)];
    const roomId = await make(t, owner, one);
    const sockets = [await follow(one, roomId), await follow(one, roomId, { url: elsewhere() })];
    const owning = await follow(owner, roomId);
    await answer(owning, { type: 'send', ref: 'a', roomId, text: 'Before' });
    for (const socket of sockets) await heard(socket, 'Before');
    t.is((await end(owner, one, `/v1/rooms/${roomId}`)).status, 204);
    for (const socket of sockets) {
      await settled(socket);
      t.deepEqual(
        socket.frames.filter(({ type }) => type === 'unsubscribed').map(({ topics, code }) => [topics, code]),
        [[[topicOf(roomId)], 'PERMISSION_REVOKED']],
      );
      t.like(await answer(socket, { type: 'send', ref: 'gone', roomId, text: 'x' }), { type: 'error', code: 'ROOM_NOT_FOUND' });
    }
    const isThere = way !== 'the room is deleted';
    if (isThere) {
      await answer(owning, { type: 'send', ref: 'b', roomId, text: 'After' });
      await heard(owning, 'After');
      await owning.frame(
        ({ type, change, memberId }) => type === 'room-member' && change === 'ended' && memberId === one.memberId,
      );
    }
    // Something that comes after it on the same way.
    const last = await make(t, one);
    for (const socket of sockets) socket.send({ type: 'subscribe', topics: [topicOf(last)] });
    for (const socket of sockets) await socket.frame(({ topics }) => topics?.includes(topicOf(last)) ?? false);
    await one.client.post(`/v1/rooms/${last}/messages`, { text: 'Last' });
    for (const socket of sockets) {
      await heard(socket, 'Last');
      t.deepEqual(texts(socket), ['Before', 'Last']);
      await socket.close();
    }
    await owning.close();
  });
}

test('who is added hears what is said from then on', async (t) => {
  const as = await admin();
  const [owner, one] = [await someone(as), await someone(as)];
  const roomId = await make(t, owner);
  const owning = await follow(owner, roomId);
  await answer(owning, { type: 'send', ref: 'a', roomId, text: 'Before' });
  const { cursor = '' } = await heard(owning, 'Before');
  t.is((await owner.client.put(`/v1/rooms/${roomId}/members/${one.memberId}`, undefined, wait)).status, 204);
  await owning.frame(({ type, change, memberId }) => type === 'room-member' && change === 'changed' && memberId === one.memberId);
  const socket = await follow(one, roomId, { cursor });
  await answer(owning, { type: 'send', ref: 'b', roomId, text: 'After' });
  await heard(socket, 'After');
  t.deepEqual(texts(socket), ['After']);
  t.deepEqual(
    socket.frames.filter(({ type }) => type === 'reset').map(({ topic }) => topic),
    [topicOf(roomId)],
    'with the cursor of another one',
  );
  for (const each of [owning, socket]) await each.close();
});

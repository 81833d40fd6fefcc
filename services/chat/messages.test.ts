import test from 'ava';
import { newId } from '#platform/validation/id.ts';
import { type Chat, call, openChat } from './chat.fixture.ts';

let chat: Chat;
test.before(async () => {
  chat = await openChat('messages');
});
test.after.always(() => chat.close());

/** An ID that is made of a key. */
const keyed = (): string => `${newId().slice(0, 14)}8${newId().slice(15)}`;

test('messages have the numbers of their room, without a gap, however many come at once, and are told in that order', async (t) => {
  const [taro, jiro] = [newId(), newId()];
  const roomId = await chat.room(taro, jiro);
  const posted = await Promise.all(
    Array.from({ length: 60 }, (_, at) => chat.post(roomId, at % 2 ? taro : jiro, `Number ${at}`)),
  );
  const numbers = Array.from({ length: 60 }, (_, at) => at + 1);
  t.deepEqual(
    posted.map(({ sequence }) => sequence).toSorted((a, b) => a - b),
    numbers,
  );
  const told = await chat.events(roomId, 'message.posted');
  t.deepEqual(
    told.map(({ payload }) => Number(payload.message?.sequence)),
    numbers,
  );
  t.true(told.every(({ orderKey, version }) => orderKey === roomId && version === 1));
  const { messages, last, archived, gaps } = await chat.list(roomId, taro);
  t.deepEqual(
    messages.map(({ sequence }) => sequence),
    numbers.toReversed(),
  );
  t.deepEqual([last, archived, gaps], [60, 0, []]);
  t.deepEqual(
    messages[0],
    posted.find(({ sequence }) => sequence === 60),
  );
});

test('who is not in a room does nothing in it, and learns nothing of it', async (t) => {
  const [taro, stranger] = [newId(), newId()];
  const roomId = await chat.room(taro);
  const { messageId } = await chat.post(roomId, taro, 'Alone');
  const mine = { roomId, memberId: stranger };
  const refused = { code: 'ROOM_NOT_FOUND' };
  const none = { ...mine, messageId, text: 'x', emoji: '👍', expectedVersion: undefined };
  await t.throwsAsync(chat.post(roomId, stranger, 'Hello'), refused);
  await t.throwsAsync(chat.post(roomId, stranger, 'Hello', { messageId }), refused);
  await t.throwsAsync(chat.post(newId(), stranger, 'Hello'), refused);
  await t.throwsAsync(chat.list(roomId, stranger), refused);
  await t.throwsAsync(chat.handlers.editMessage(none, call as never), refused);
  await t.throwsAsync(chat.handlers.deleteMessage(none, call as never), refused);
  await t.throwsAsync(chat.handlers.react({ ...none, remove: false }, call as never), refused);
  await t.throwsAsync(chat.handlers.markRead({ ...mine, sequence: 1 }, call as never), refused);
  await t.throwsAsync(chat.handlers.listReceipts(mine, call as never), refused);
  t.deepEqual((await chat.handlers.listUnread({ memberId: stranger }, call as never)).rooms, []);
});

test('the same ID twice is one message; it says what it said, and is nobody else’s', async (t) => {
  const [taro, jiro] = [newId(), newId()];
  const roomId = await chat.room(taro, jiro);
  const messageId = keyed();
  const [one, other] = await Promise.all([
    chat.post(roomId, taro, 'Once', { messageId }),
    chat.post(roomId, taro, 'Once', { messageId }),
  ]);
  t.deepEqual(one, other);
  t.is((await chat.list(roomId, taro)).last, 1);
  await t.throwsAsync(chat.post(roomId, taro, 'Twice', { messageId }), { code: 'IDEMPOTENCY_KEY_REUSED' });
  await t.throwsAsync(chat.post(roomId, jiro, 'Once', { messageId }), { code: 'IDEMPOTENCY_KEY_REUSED' });
  // What it said first is not known any more once it was changed.
  await chat.handlers.editMessage({ roomId, memberId: taro, messageId, text: 'Otherwise', expectedVersion: 1 }, call as never);
  t.is((await chat.post(roomId, taro, 'Once', { messageId })).text, 'Otherwise');
});

test('a text is kept as it was written; what cannot be one is refused by its name', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  for (const text of [
    'a',
    ' two \n lines\t',
    '\u202eright to left',
    '👨‍👩‍👧',
    'x'.repeat(16_000),
    '"version":"9" \\" {"sequence":"1"}',
    '%d %s',
  ])
    t.is((await chat.post(roomId, taro, text)).text, text);
  t.is((await chat.list(roomId, taro)).messages.at(-2)?.text, ' two \n lines\t');
  for (const text of ['', ' \n\t', '\u200b\u2060', 'a\0b', 'half \ud800', 'x'.repeat(16_001), '字'.repeat(65_536)]) {
    const error = await t.throwsAsync(chat.post(roomId, taro, text), { code: 'INVALID_MESSAGE' });
    t.like(error, { fields: [{ field: 'text' }] });
  }
  t.is((await chat.list(roomId, taro)).last, 7);
});

test('an answer is to a message of the same room', async (t) => {
  const taro = newId();
  const [roomId, elsewhere] = [await chat.room(taro), await chat.room(taro)];
  const question = await chat.post(roomId, taro, 'Who?');
  t.is((await chat.post(roomId, taro, 'I', { replyToId: question.messageId })).replyToId, question.messageId);
  const other = await chat.post(elsewhere, taro, 'Elsewhere');
  await t.throwsAsync(chat.post(roomId, taro, 'I', { replyToId: other.messageId }), { code: 'MESSAGE_NOT_FOUND' });
  await t.throwsAsync(chat.post(roomId, taro, 'I', { replyToId: newId() }), { code: 'MESSAGE_NOT_FOUND' });
  t.is((await chat.list(roomId, taro)).last, 2);
});

test('only its author edits a message, of the version that was read; that is told with a newer version', async (t) => {
  const [taro, jiro] = [newId(), newId()];
  const roomId = await chat.room(jiro, taro);
  const { messageId } = await chat.post(roomId, taro, 'Helo');
  const edit = (memberId: string, text: string, expectedVersion?: number) =>
    chat.handlers.editMessage({ roomId, memberId, messageId, text, expectedVersion }, call as never);
  await t.throwsAsync(edit(jiro, 'Mine'), { code: 'NOT_AUTHOR' });
  await t.throwsAsync(edit(taro, 'Hello', 7), { code: 'VERSION_MISMATCH' });
  await t.throwsAsync(edit(taro, ' '), { code: 'INVALID_MESSAGE' });
  const { message } = await edit(taro, 'Hello', 1);
  t.like(message, { text: 'Hello', sequence: 1, memberId: taro });
  t.true((message?.version ?? 0) > 1 && message?.editedAt instanceof Date);
  t.deepEqual((await edit(taro, 'Hello')).message, message);
  const get = (memberId: string, id = messageId) => chat.handlers.getMessage({ roomId, memberId, messageId: id }, call as never);
  t.deepEqual((await get(jiro)).message, message);
  await t.throwsAsync(get(newId()), { code: 'ROOM_NOT_FOUND' });
  await t.throwsAsync(get(jiro, newId()), { code: 'MESSAGE_NOT_FOUND' });
  t.deepEqual((await chat.list(roomId, jiro)).messages, [message]);
  const told = await chat.events(roomId, 'message.updated');
  t.deepEqual(
    told.map(({ id, version, payload }) => [id, version, payload.message?.text, Number(payload.message?.version)]),
    [[messageId, message?.version, 'Hello', message?.version]],
  );
});

test('its author or an owner deletes a message: its place stays, and nothing that was said', async (t) => {
  const [owner, taro, jiro] = [newId(), newId(), newId()];
  const roomId = await chat.room(owner, taro, jiro);
  const [one, other] = [await chat.post(roomId, taro, 'Secret'), await chat.post(roomId, taro, 'Another')];
  const remove = (memberId: string, { messageId }: { messageId: string }, expectedVersion?: number) =>
    chat.handlers.deleteMessage({ roomId, memberId, messageId, expectedVersion }, call as never);
  await chat.handlers.react({ roomId, memberId: jiro, messageId: one.messageId, emoji: '👍', remove: false }, call as never);
  await t.throwsAsync(remove(jiro, one), { code: 'NOT_AUTHOR' });
  await t.throwsAsync(remove(taro, one, 1), { code: 'VERSION_MISMATCH' });
  const { message } = await remove(taro, one);
  t.like(message, { text: '', reactions: [], sequence: 1, memberId: taro });
  t.true(message?.deletedAt instanceof Date);
  t.deepEqual((await remove(owner, one)).message, message);
  await remove(owner, other);
  t.deepEqual(
    (await chat.list(roomId, jiro)).messages.map(({ sequence, text, deletedAt }) => [sequence, text, deletedAt !== undefined]),
    [
      [2, '', true],
      [1, '', true],
    ],
  );
  t.is((await chat.events(roomId, 'message.deleted')).length, 2);
  const gone = { roomId, memberId: taro, messageId: one.messageId };
  await t.throwsAsync(chat.handlers.editMessage({ ...gone, text: 'Back', expectedVersion: undefined }, call as never), {
    code: 'MESSAGE_NOT_FOUND',
  });
  await t.throwsAsync(chat.handlers.react({ ...gone, emoji: '👍', remove: false }, call as never), { code: 'MESSAGE_NOT_FOUND' });
});

test('emoji of many at the same time are all there, each member once; a repeat changes nothing', async (t) => {
  const members = Array.from({ length: 12 }, newId);
  const roomId = await chat.room(...members);
  const { messageId } = await chat.post(roomId, members[0] ?? '', 'Party?');
  const put = (memberId: string, emoji: string, remove = false) =>
    chat.handlers.react({ roomId, memberId, messageId, emoji, remove }, call as never);
  await Promise.all(members.map((memberId) => put(memberId, '🎉')));
  const { message } = await put(members[1] ?? '', '🎉');
  t.deepEqual(message?.reactions[0]?.memberIds.toSorted(), members.toSorted());
  t.is((await chat.events(roomId, 'message.updated')).length, 12);
  for (const memberId of members) await put(memberId, '🎉', true);
  t.deepEqual((await put(members[0] ?? '', '🎉', true)).message?.reactions, []);
  await t.throwsAsync(put(members[0] ?? '', 'x'), { code: 'INVALID_EMOJI' });
  await t.throwsAsync(put(members[0] ?? '', '🎉🎉'), { code: 'INVALID_EMOJI' });
  const [taro = ''] = members;
  for (let at = 0; at < 50; at++) await put(taro, String.fromCodePoint(0x1f600 + at));
  await t.throwsAsync(put(taro, '🎉'), { code: 'TOO_MANY_REACTIONS' });
});

test('what is read is noted for all devices, never goes back, and is never ahead; unread is counted from it', async (t) => {
  const [taro, jiro, hana] = [newId(), newId(), newId()];
  const roomId = await chat.room(taro, jiro);
  for (let at = 0; at < 5; at++) await chat.post(roomId, taro, `Number ${at}`);
  const mark = (memberId: string, sequence: number) => chat.handlers.markRead({ roomId, memberId, sequence }, call as never);
  const unread = async (memberId: string) => (await chat.handlers.listUnread({ memberId }, call as never)).rooms;
  t.deepEqual(await unread(taro), []);
  t.deepEqual(await unread(jiro), [{ roomId, read: 0, last: 5, count: 5 }]);
  t.deepEqual(await mark(jiro, 3), { sequence: 3, unread: 2 });
  t.deepEqual(await mark(jiro, 2), { sequence: 3, unread: 2 });
  await t.throwsAsync(mark(jiro, 6), { code: 'SEQUENCE_AHEAD' });
  await t.throwsAsync(mark(jiro, -1), { code: 'INVALID_ARGUMENT' });
  t.deepEqual(await unread(jiro), [{ roomId, read: 3, last: 5, count: 2 }]);
  // Who comes later has nothing of before to read; what one says oneself is read.
  await chat.carryOut('beginAddRoomMember', { roomId, byMemberId: taro, memberId: hana });
  t.deepEqual(await unread(hana), []);
  await chat.post(roomId, hana, 'Hello');
  t.deepEqual(await unread(taro), [{ roomId, read: 5, last: 6, count: 1 }]);
  const { receipts } = await chat.handlers.listReceipts({ roomId, memberId: jiro }, call as never);
  t.deepEqual(
    new Map(receipts.map(({ memberId, sequence }) => [memberId, sequence])),
    new Map([
      [taro, 5],
      [jiro, 3],
      [hana, 6],
    ]),
  );
});

test('a history is read page by page, from its end or after a number', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  for (let at = 1; at <= 7; at++) await chat.post(roomId, taro, `Number ${at}`);
  const page = async (given: { before?: number; after?: number; limit?: number }) =>
    (await chat.list(roomId, taro, given)).messages.map(({ sequence }) => sequence);
  t.deepEqual(await page({ limit: 3 }), [7, 6, 5]);
  t.deepEqual(await page({ before: 5, limit: 3 }), [4, 3, 2]);
  t.deepEqual(await page({ before: 2, limit: 3 }), [1]);
  t.deepEqual(await page({ before: 100 }), [7, 6, 5, 4, 3, 2, 1]);
  t.deepEqual(await page({ after: 4, limit: 2 }), [5, 6]);
  t.deepEqual(await page({ after: 7 }), []);
  t.deepEqual(await page({ after: 0 }), [1, 2, 3, 4, 5, 6, 7]);
  await t.throwsAsync(chat.list(roomId, taro, { before: 3, after: 3 }), { code: 'INVALID_ARGUMENT' });
  for (const limit of [0, 101]) await t.throwsAsync(chat.list(roomId, taro, { limit }), { code: 'INVALID_ARGUMENT' });
});

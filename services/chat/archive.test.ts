import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { newId } from '#platform/validation/id.ts';
import { type Chat, call, openChat } from './chat.fixture.ts';
import { archiveAll } from './messages/archiving.ts';
import { purgeRooms } from './messages/purging.ts';

let chat: Chat;
test.before(async () => {
  chat = await openChat('archive');
});
test.after.always(() => chat.close());

const RECENT = 5;
const archive = () => archiveAll(chat.redis, chat.db, RECENT);
const inRedis = (roomId: string) =>
  chat.redis.ask(async (client) =>
    (await client.hkeys(chat.redis.of(roomId).key(`room:${roomId}:messages`))).map(Number).toSorted((a, b) => a - b),
  );
const idsInRedis = (roomId: string) => chat.redis.ask((client) => client.hlen(chat.redis.of(roomId).key(`room:${roomId}:ids`)));
const waiting = (roomId: string) =>
  chat.redis
    .ask((client) => client.zrangebyscore(chat.redis.of(roomId).key('unarchived'), '-inf', '+inf'))
    .then((all) => all.filter((each) => each.startsWith(roomId)));
const archived = (roomId: string) =>
  chat.db.query<{ sequence: number; version: number; text: string }>(
    sql`select sequence, version, body::json->>'text' as text from messages where room_id = ${roomId} order by sequence`,
  );
const keyed = (): string => `${newId().slice(0, 14)}8${newId().slice(15)}`;

test.serial('Redis gives up what the archive has, but the newest, and says up to where', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  for (let at = 1; at <= 12; at++) await chat.post(roomId, taro, `Number ${at}`);
  t.is((await waiting(roomId)).length, 12);
  await archive();
  t.deepEqual(await waiting(roomId), []);
  t.deepEqual(await inRedis(roomId), [8, 9, 10, 11, 12]);
  t.is(await idsInRedis(roomId), 5);
  t.deepEqual(
    (await archived(roomId)).map(({ sequence, text }) => [sequence, text]),
    Array.from({ length: 12 }, (_, at) => [at + 1, `Number ${at + 1}`]),
  );
  const { messages, archived: upTo, last } = await chat.list(roomId, taro);
  t.deepEqual([messages.map(({ sequence }) => sequence), upTo, last], [[12, 11, 10, 9, 8], 7, 12]);
  t.deepEqual(
    (await chat.list(roomId, taro, { after: 3 })).messages.map(({ sequence }) => sequence),
    [8, 9, 10, 11, 12],
  );
});

test.serial('what was given up is changed, answered and found again as if it was there, and given up again', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  const messageId = keyed();
  await chat.post(roomId, taro, 'The first', { messageId });
  for (let at = 2; at <= 8; at++) await chat.post(roomId, taro, `Number ${at}`);
  await archive();
  t.deepEqual(await inRedis(roomId), [4, 5, 6, 7, 8]);
  t.is((await chat.post(roomId, taro, 'The first', { messageId })).sequence, 1);
  await t.throwsAsync(chat.post(roomId, taro, 'Something else', { messageId }), { code: 'IDEMPOTENCY_KEY_REUSED' });
  await t.throwsAsync(chat.post(roomId, newId(), 'The first', { messageId }), { code: 'ROOM_NOT_FOUND' });
  t.is((await chat.post(roomId, taro, 'An answer', { replyToId: messageId })).sequence, 9);
  const asked = { roomId, memberId: taro, messageId };
  t.like((await chat.handlers.getMessage(asked, call as never)).message, { text: 'The first', sequence: 1 });
  const { message } = await chat.handlers.editMessage({ ...asked, text: 'Mended', expectedVersion: 1 }, call as never);
  t.like(message, { text: 'Mended', sequence: 1 });
  await chat.handlers.react({ ...asked, emoji: '👍', remove: false }, call as never);
  t.true((await inRedis(roomId)).includes(1));
  await archive();
  t.deepEqual(await inRedis(roomId), [5, 6, 7, 8, 9]);
  t.is(await idsInRedis(roomId), 5);
  t.like((await archived(roomId))[0], { sequence: 1, text: 'Mended' });
  t.is((await chat.post(roomId, taro, 'The first', { messageId })).text, 'Mended');
  t.is((await chat.list(roomId, taro)).archived, 4);
});

test.serial('what is changed while it is archived is archived once more', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  const { messageId } = await chat.post(roomId, taro, 'Before');
  // Between what is read and what is noted, somebody edits it.
  const query = chat.db.query.bind(chat.db);
  chat.db.query = (async (statement: never, signal?: AbortSignal) => {
    chat.db.query = query;
    const rows = await query(statement, signal);
    await chat.handlers.editMessage({ roomId, memberId: taro, messageId, text: 'After', expectedVersion: 1 }, call as never);
    return rows;
  }) as never;
  await archive();
  t.is((await archived(roomId))[0]?.text, 'Before');
  t.deepEqual(await waiting(roomId), [`${roomId}/1`]);
  await archive();
  t.is((await archived(roomId))[0]?.text, 'After');
  t.deepEqual(await waiting(roomId), []);
});

test.serial('an older state that comes late takes nothing from the archive', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  await chat.post(roomId, taro, 'One');
  await archive();
  await chat.db.query(sql`update messages set version = 9007199254740000, body = '{}' where room_id = ${roomId}`);
  await chat.redis.ask((client) => client.zadd(chat.redis.of(roomId).key('unarchived'), 1, `${roomId}/1`));
  await archive();
  t.like((await archived(roomId))[0], { version: 9007199254740000 });
});

test.serial('while the archive is away, what is said stays in Redis, and is archived later', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  for (let at = 1; at <= 8; at++) await chat.post(roomId, taro, `Number ${at}`);
  const query = chat.db.query.bind(chat.db);
  chat.db.query = (async () => {
    throw new Error('away');
  }) as never;
  await t.throwsAsync(archive(), { message: 'away' });
  // Nor is it asked where Redis has all.
  const messageId = keyed();
  const { sequence } = await chat.post(roomId, taro, 'With a key', { messageId });
  t.is((await chat.post(roomId, taro, 'With a key', { messageId })).sequence, sequence);
  chat.db.query = query;
  t.is((await inRedis(roomId)).length, 9);
  await archive();
  t.is((await inRedis(roomId)).length, RECENT);
});

test.serial('what was said in a room that is gone goes, too, and each message is told to be gone', async (t) => {
  const taro = newId();
  const roomId = await chat.room(taro);
  for (let at = 1; at <= 205; at++) await chat.post(roomId, taro, `Number ${at}`);
  await archive();
  await chat.post(roomId, taro, 'The last');
  await chat.carryOut('beginDeleteRoom', { roomId, byMemberId: taro });
  await purgeRooms(chat.messages, RECENT);
  await purgeRooms(chat.messages, RECENT);
  t.deepEqual(await archived(roomId), []);
  const gone = await chat.events(roomId, 'message.deleted');
  t.is(new Set(gone.map(({ id }) => id)).size, 206);
  t.true(gone.every(({ version, payload, orderKey }) => version > 1 && payload.message === undefined && orderKey === roomId));
  const { key } = chat.redis.of(roomId);
  const left = await chat.redis.ask((client) => client.keys(key(`*${roomId}*`)));
  t.deepEqual(left, []);
  t.is(await chat.redis.ask((client) => client.sismember(key('purging'), roomId)), 0);
  t.deepEqual(await waiting(roomId), []);
});

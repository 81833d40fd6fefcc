import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { newId } from '#platform/validation/id.ts';
import { type Chat, call, openChat } from './chat.fixture.ts';
import { chatErasure } from './erasure.ts';
import { archiveAll } from './messages/archiving.ts';

const RECENT = 3;
let chat: Chat;
test.before(async () => {
  chat = await openChat('erasure');
});
test.after.always(() => chat.close());

/** A room in which a member has said much, also what Redis has given up, and has put emoji on what another one said. */
async function lived() {
  const [gone, stays] = [newId(), newId()];
  const roomId = await chat.room(gone, stays);
  for (let at = 0; at < 5; at++) await chat.post(roomId, gone, `Number ${at}`);
  const { messageId } = await chat.post(roomId, stays, 'Hello');
  for (const memberId of [gone, stays])
    await chat.handlers.react({ roomId, memberId, messageId, emoji: '👍', remove: false }, call as never);
  await archiveAll(chat.redis, chat.db, RECENT);
  await chat.post(roomId, gone, 'The last');
  return { gone, stays, roomId };
}

/** Wherever a member's ID or a text of its is left: keys, values, and rows; but what is still to be sent, and what operations say. */
async function tracesOf(...texts: string[]): Promise<string[]> {
  const rows = await chat.db.query<{ body: string; memberIds: string[] }>(
    sql`select body, member_ids as "memberIds" from messages`,
  );
  const found = rows.map((row) => JSON.stringify(row));
  await chat.redis.ask(async (client) => {
    for (const key of await client.keys(`${chat.prefix}*`)) {
      const type = await client.type(key);
      const value = type === 'hash' ? await client.hgetall(key) : type === 'set' ? await client.smembers(key) : '';
      // How much it has typed of late is forgotten by itself, within seconds.
      if (!/:(operation|outbox|rate)/.test(key)) found.push(JSON.stringify([key, value]));
    }
  });
  return found.filter((each) => texts.some((text) => each.includes(text)));
}

test.serial('a member who is deleted leaves its rooms, and what it said stays without it', async (t) => {
  const { gone, stays, roomId } = await lived();
  const { erased, pending } = await chatErasure(chat.messages, 'keep', RECENT).erase([gone]);
  t.deepEqual(pending, []);
  t.deepEqual(
    erased.filter(({ count }) => count > 0),
    [
      { memberId: gone, place: 'rooms', count: 1 },
      { memberId: gone, place: 'messages', count: 7 },
    ],
  );
  t.deepEqual(await tracesOf(gone), []);
  await t.throwsAsync(chat.list(roomId, gone), { code: 'ROOM_NOT_FOUND' });
  // Who is left owns it.
  await chat.carryOut('beginUpdateRoom', { roomId, byMemberId: stays, name: 'Mine' });
  const { messages } = await chat.list(roomId, stays);
  t.like(messages[0], { memberId: '', text: 'The last', sequence: 7 });
  t.deepEqual(messages.find(({ text }) => text === 'Hello')?.reactions, [{ emoji: '👍', memberIds: [stays] }]);
  const told = await chat.events(roomId, 'message.updated');
  t.is(told.filter(({ payload }) => (payload.message?.memberId ?? '') === '').length, 6);
  const again = await chatErasure(chat.messages, 'keep', RECENT).erase([gone]);
  t.deepEqual(
    again.erased.filter(({ count }) => count > 0),
    [],
  );
});

test.serial('by a setting, what it said goes as well', async (t) => {
  const { gone, stays, roomId } = await lived();
  await chatErasure(chat.messages, 'remove', RECENT).erase([gone]);
  t.deepEqual(await tracesOf(gone), []);
  t.deepEqual(
    (await chat.list(roomId, stays)).messages.map(({ text, deletedAt }) => [text, deletedAt !== undefined]),
    [
      ['', true],
      ['Hello', false],
      ['', true],
    ],
  );
  const left = await chat.db.query<{ text: string }>(sql`
    select body::json->>'text' as text from messages where room_id = ${roomId} and coalesce(body::json->>'text', '') <> ''`);
  t.deepEqual(left, [{ text: 'Hello' }]);
});

test.serial('a room that a job holds is left later', async (t) => {
  const { gone, stays, roomId } = await lived();
  await chat.step('beginRemoveRoomMember', randomUUID(), { roomId, byMemberId: gone, memberId: stays });
  const { pending } = await chatErasure(chat.messages, 'keep', RECENT).erase([gone]);
  t.deepEqual(pending, [gone]);
});

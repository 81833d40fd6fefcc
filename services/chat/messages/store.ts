import { aborted } from '#platform/errors.ts';
import type { Database } from '#platform/postgres/database.ts';
import { currentTraceparent } from '#platform/process/telemetry.ts';
import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import { newId } from '#platform/validation/id.ts';
import type { Gap, Message, Place } from '../domain.ts';
import { messageNotFound, roomNotFound } from '../refusals.ts';
import { logKey, membersKey, readKey, roomsOfKey, toPlace } from '../rooms/store.ts';
import { archivedMessage } from './archive.ts';
import { FIND, LIST, MARK, POST, RECALL, REWRITE } from './scripts.ts';
import { fromText, gapsOf, toText, withoutNumber } from './wire.ts';

/*
 * Messages, in the partition of their room: `room:{ID}:log` its last number, the epoch in which that was given, the numbers that nobody has, and up to
 * where messages are in the archive only; `room:{ID}:messages` a message's JSON by its number; `room:{ID}:ids` its number by its ID; `room:{ID}:read`
 * up to where members have read; `unarchived` what the archive does not have yet, `ROOM/NUMBER` by time.
 */

export const messagesKey = (roomId: string): string => `room:${roomId}:messages`;
export const idsKey = (roomId: string): string => `room:${roomId}:ids`;
export const UNARCHIVED = 'unarchived';
const OUTBOX = 'outbox';
const EPOCH = 'epoch';

/** Where messages are. */
export interface Messages {
  redis: PartitionedRedis;
  /** The archive. */
  db: Database;
}

/** How a message's room is, for who reads it. */
export interface History {
  messages: Message[];
  gaps: Gap[];
  last: number;
  archived: number;
}

/**
 * Adds a message, with the next number of its room.
 *
 * @param isRepeatable whether the same ID may come again
 * @returns the message; `repeated`: it was there already, as it is now
 * @throws ROOM_NOT_FOUND, MESSAGE_NOT_FOUND for the one that it answers
 */
export async function addMessage(
  { redis, db }: Messages,
  message: Message,
  isRepeatable: boolean,
): Promise<{ message: Message; repeated: boolean }> {
  const { roomId, messageId, memberId, replyToId = '' } = message;
  const keys = [membersKey(roomId), logKey(roomId), messagesKey(roomId), idsKey(roomId), readKey(roomId)];
  let mayBeArchived = isRepeatable;
  const post = async (answered: string): Promise<[string, string]> =>
    (await redis.write(POST, [...keys, UNARCHIVED, OUTBOX, EPOCH].map(redis.of(roomId).key), [
      memberId,
      messageId,
      withoutNumber(message, 'sequence'),
      roomId,
      answered,
      newId(),
      currentTraceparent(),
      Date.now(),
      mayBeArchived ? 1 : 0,
    ])) as [string, string];
  let [outcome, text] = await post(replyToId);
  if (outcome === 'given up') {
    // Only of a room of which Redis has given up a part the archive is asked.
    const known = await archivedMessage(db, roomId, messageId);
    if (known !== undefined) return { message: fromText(known), repeated: true };
    mayBeArchived = false;
    [outcome, text] = await post(replyToId);
  }
  if (outcome === 'MESSAGE_NOT_FOUND' && (await archivedMessage(db, roomId, replyToId))) [outcome, text] = await post('');
  if (outcome === 'ROOM_NOT_FOUND') throw roomNotFound();
  if (outcome === 'MESSAGE_NOT_FOUND') throw messageNotFound();
  return { message: fromText(text), repeated: outcome === 'repeated' };
}

/** A message of a room, wherever it is. @param memberId who must be in the room; absent: the service itself asks @throws ROOM_NOT_FOUND */
export async function findMessage(
  { redis, db }: Messages,
  roomId: string,
  messageId: string,
  memberId = '',
): Promise<{ message: Message; place: Place; isHere: boolean } | undefined> {
  const keys = [membersKey(roomId), messagesKey(roomId), idsKey(roomId)].map(redis.of(roomId).key);
  const found = await redis.ask((client) => client.eval(FIND.lua, keys.length, ...keys, memberId, messageId));
  if (!found) throw roomNotFound();
  const [place, text] = found as [string, string];
  const kept = text || (await archivedMessage(db, roomId, messageId));
  return kept ? { message: fromText(kept), place: toPlace(place), isHere: text !== '' } : undefined;
}

/** A message that many change at once is tried again for so long, ms. */
const CHANGE_MS = 2_000;

/** What becomes of a message, and how that is told; undefined: it stays as it is. */
type Change = (message: Message, place: Place) => { after: Message; type: 'message.updated' | 'message.deleted' } | undefined;

/**
 * Changes a message, one change after the other.
 *
 * @param change may be asked again, when somebody else was first; what it throws is thrown
 * @param who.least a version that the message gets at least
 * @throws ROOM_NOT_FOUND, MESSAGE_NOT_FOUND, STORE_CONFLICT
 */
export async function changeMessage(
  messages: Messages,
  { roomId, messageId, memberId, least = 0 }: { roomId: string; messageId: string; memberId?: string; least?: number },
  change: Change,
): Promise<Message> {
  const { redis } = messages;
  const { key } = redis.of(roomId);
  const until = performance.now() + CHANGE_MS;
  do {
    const found = await findMessage(messages, roomId, messageId, memberId);
    if (!found) throw messageNotFound();
    const { message, place, isHere } = found;
    const changed = change(message, place);
    if (!changed) return message;
    if (!isHere) await recall(redis, message);
    const text = await redis.write(REWRITE, [messagesKey(roomId), UNARCHIVED, OUTBOX, EPOCH].map(key), [
      ...[message.sequence, message.version, withoutNumber(changed.after, 'version'), roomId, messageId, changed.type],
      ...[newId(), currentTraceparent(), Date.now(), least],
    ]);
    if (text) return fromText(text as string);
  } while (performance.now() < until);
  throw aborted('STORE_CONFLICT', 'somebody else changes the same message');
}

async function recall(redis: PartitionedRedis, message: Message): Promise<void> {
  const { roomId, messageId, sequence } = message;
  const keys = [logKey(roomId), messagesKey(roomId), idsKey(roomId), UNARCHIVED].map(redis.of(roomId).key);
  await redis.write(RECALL, keys, [sequence, messageId, toText(message), roomId, Date.now()]);
}

/** @throws ROOM_NOT_FOUND */
async function requirePlace(redis: PartitionedRedis, roomId: string, memberId: string): Promise<void> {
  const there = await redis.ask((client) => client.hexists(redis.of(roomId).key(membersKey(roomId)), memberId));
  if (!there) throw roomNotFound();
}

/** The messages of a room that Redis has. @throws ROOM_NOT_FOUND */
export async function listMessages(
  { redis }: Pick<Messages, 'redis'>,
  {
    roomId,
    memberId,
    before,
    after,
    limit,
  }: { roomId: string; memberId: string; before?: number | undefined; after?: number | undefined; limit: number },
): Promise<History> {
  const keys = [membersKey(roomId), logKey(roomId), messagesKey(roomId)].map(redis.of(roomId).key);
  const way = after === undefined ? (['before', before ?? ''] as const) : (['after', after] as const);
  const found = await redis.ask((client) => client.eval(LIST.lua, keys.length, ...keys, memberId, ...way, limit));
  if (!found) throw roomNotFound();
  const [last = '', archived = '', gaps = '', ...texts] = found as string[];
  return { messages: texts.map(fromText), gaps: gapsOf(gaps), last: Number(last), archived: Number(archived) };
}

/** Notes up to where a member has read. @returns where that is, which may be further @throws ROOM_NOT_FOUND */
export async function markRead(
  redis: PartitionedRedis,
  roomId: string,
  memberId: string,
  sequence: number,
): Promise<{ mark: number; last: number; gaps: Gap[] }> {
  const keys = [membersKey(roomId), logKey(roomId), readKey(roomId)].map(redis.of(roomId).key);
  const found = await redis.write(MARK, keys, [memberId, sequence]);
  if (!found) throw roomNotFound();
  const [mark, last, gaps] = found as [string, string, string];
  return { mark: Number(mark), last: Number(last), gaps: gapsOf(gaps) };
}

/** Up to where each of a room has read. @throws ROOM_NOT_FOUND */
export async function readMarks(redis: PartitionedRedis, roomId: string, memberId: string): Promise<Record<string, string>> {
  await requirePlace(redis, roomId, memberId);
  return await redis.ask((client) => client.hgetall(redis.of(roomId).key(readKey(roomId))));
}

/** How far a member and the room are, in each room that it is in. */
export async function marksOf(
  redis: PartitionedRedis,
  memberId: string,
): Promise<{ roomId: string; read: number; last: number; gaps: Gap[] }[]> {
  const found = redis.partitions.map(({ key }) =>
    redis.ask(async (client) => {
      const roomIds = await client.smembers(key(roomsOfKey(memberId)));
      const pipeline = client.pipeline();
      for (const roomId of roomIds) pipeline.hget(key(readKey(roomId)), memberId).hmget(key(logKey(roomId)), 'last', 'gaps');
      const answers = ((await pipeline.exec()) ?? []).map(([error, value]) => {
        if (error) throw error;
        return value;
      });
      return roomIds.map((roomId, at) => {
        const [last, gaps] = answers[2 * at + 1] as [string | null, string | null];
        return { roomId, read: Number(answers[2 * at] ?? 0), last: Number(last ?? 0), gaps: gapsOf(gaps ?? '') };
      });
    }),
  );
  return (await Promise.all(found)).flat();
}

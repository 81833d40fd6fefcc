import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import type { RedisTransaction } from '#platform/redis/transaction.ts';
import type { Kind, Place, Places, Room, RoomChange } from '../domain.ts';

/*
 * Rooms, in Redis. All of a room is in the partition of its ID: `room:{ID}` what it is; `room:{ID}:members` who is in it; `room:{ID}:log` how far it
 * is (messages/keys.ts); `rooms` the IDs of all, in their order; `rooms-of:{member ID}` those of a member; `purging` those that are gone, and of which
 * messages are left.
 */

const roomKey = (roomId: string): string => `room:${roomId}`;
export const membersKey = (roomId: string): string => `room:${roomId}:members`;
export const logKey = (roomId: string): string => `room:${roomId}:log`;
export const readKey = (roomId: string): string => `room:${roomId}:read`;
export const roomsOfKey = (memberId: string): string => `rooms-of:${memberId}`;

export async function findRoom(tx: RedisTransaction, roomId: string): Promise<Room | undefined> {
  const fields = await tx.read<string[] | Record<string, string>>('HGETALL', roomKey(roomId));
  return toRoom(roomId, asRecord(fields));
}

/** RESP2 answers with names and values in turn. */
export const asRecord = (fields: readonly string[] | Record<string, string>): Record<string, string> =>
  Array.isArray(fields)
    ? Object.fromEntries(fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1] ?? '']] : [])))
    : (fields as Record<string, string>);

function toRoom(roomId: string, fields: Record<string, string>): Room | undefined {
  const { kind, name = '', version, lockHolder, pending, createdAt, updatedAt } = fields;
  if (kind === undefined) return undefined;
  return {
    ...{ roomId, kind: kind as Kind, name, version: Number(version), lockHolder: lockHolder || null },
    pending: pending ? (JSON.parse(pending) as RoomChange) : null,
    ...{ createdAt: new Date(Number(createdAt)), updatedAt: new Date(Number(updatedAt)) },
  };
}

export function saveRoom(tx: RedisTransaction, { roomId, pending, lockHolder, createdAt, updatedAt, ...room }: Room): void {
  const times = { createdAt: createdAt.getTime(), updatedAt: updatedAt.getTime() };
  const held = { lockHolder: lockHolder ?? '', pending: pending ? JSON.stringify(pending) : '' };
  tx.write('HSET', roomKey(roomId), ...Object.entries({ ...room, ...times, ...held }).flat());
  if (room.version > 0) tx.write('ZADD', 'rooms', 0, roomId);
}

/** A room that nobody has seen yet. */
export const dropRoom = (tx: RedisTransaction, roomId: string): void => tx.write('DEL', roomKey(roomId));

/** A room that others know: what was said in it goes later. */
export function removeRoom(tx: RedisTransaction, roomId: string, memberIds: Iterable<string>): void {
  for (const memberId of memberIds) tx.write('SREM', roomsOfKey(memberId), roomId);
  for (const key of [roomKey(roomId), membersKey(roomId), readKey(roomId)]) tx.write('DEL', key);
  tx.write('ZREM', 'rooms', roomId);
  tx.write('SADD', 'purging', roomId);
}

export async function findPlaces(tx: RedisTransaction, roomId: string): Promise<Places> {
  const fields = asRecord(await tx.read<string[] | Record<string, string>>('HGETALL', membersKey(roomId)));
  return new Map(Object.entries(fields).map(([memberId, text]) => [memberId, toPlace(text)]));
}

export const toPlace = (text: string): Place => {
  const { joinedAt, ...place } = JSON.parse(text) as Omit<Place, 'joinedAt'> & { joinedAt: number };
  return { ...place, joinedAt: new Date(joinedAt) };
};

export async function findPlace(tx: RedisTransaction, roomId: string, memberId: string): Promise<Place | undefined> {
  const text = await tx.read('HGET', membersKey(roomId), memberId);
  return text === null ? undefined : toPlace(text);
}

/** The same without a transaction. */
export async function placeOf(redis: PartitionedRedis, roomId: string, memberId: string): Promise<Place | undefined> {
  const text = await redis.ask((client) => client.hget(redis.of(roomId).key(membersKey(roomId)), memberId));
  return text === null ? undefined : toPlace(text);
}

export function savePlace(tx: RedisTransaction, roomId: string, memberId: string, { joinedAt, ...place }: Place): void {
  tx.write('HSET', membersKey(roomId), memberId, JSON.stringify({ ...place, joinedAt: joinedAt.getTime() }));
  tx.write('SADD', roomsOfKey(memberId), roomId);
}

export function removePlace(tx: RedisTransaction, roomId: string, memberId: string): void {
  tx.write('HDEL', membersKey(roomId), memberId);
  tx.write('HDEL', readKey(roomId), memberId);
  tx.write('SREM', roomsOfKey(memberId), roomId);
}

/** Begins what is said in a room. A number that is given in a later epoch leaves out those that an earlier one may have given. */
export const beginLog = (tx: RedisTransaction, roomId: string, epoch: number): void =>
  tx.write('HSET', logKey(roomId), 'last', 0, 'epoch', epoch);

/** Who comes has read all that was said before. */
export async function noteJoined(tx: RedisTransaction, roomId: string, memberId: string): Promise<void> {
  const last = await tx.glance('HGET', logKey(roomId), 'last');
  tx.write('HSET', readKey(roomId), memberId, last ?? 0);
}

/** In how many rooms a member is, in all partitions. */
export async function countRooms(redis: PartitionedRedis, memberId: string): Promise<number> {
  const counts = redis.partitions.map(({ key }) => redis.ask((client) => client.scard(key(roomsOfKey(memberId)))));
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

/** The rooms that a member is in. */
export async function roomsOf(redis: PartitionedRedis, memberId: string): Promise<string[]> {
  const found = redis.partitions.map(({ key }) => redis.ask((client) => client.smembers(key(roomsOfKey(memberId)))));
  return (await Promise.all(found)).flat();
}

/** The IDs of rooms that others see, in their order. @param from of a lexical range: `(ID`, `[ID` */
export async function roomIdsFrom(redis: PartitionedRedis, from: string, limit: number): Promise<string[]> {
  const found = redis.partitions.map(({ key }) =>
    redis.ask((client) => client.zrangebylex(key('rooms'), from, '+', 'LIMIT', 0, limit)),
  );
  return (await Promise.all(found)).flat().toSorted().slice(0, limit);
}

import { startLoop } from '#platform/concurrency/loop.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { PartitionedRedis } from '#platform/redis/partitioned.ts';
import type { Partition } from '#platform/redis/partitions.ts';
import { logKey } from '../rooms/store.ts';
import { archiveMessages } from './archive.ts';
import { ARCHIVED } from './scripts.ts';
import { idsKey, messagesKey, UNARCHIVED } from './store.ts';
import { fromText } from './wire.ts';

const EVERY_MS = 1_000;
const BATCH = 500;
/** So long a message may wait for the archive before that is told, ms. */
const LATE_MS = 60_000;

/**
 * Keeps the archive up to date, and Redis small: what the archive has and is not among the newest of its room goes from Redis. While the archive is away
 * all stays there.
 *
 * @param recent how many messages of a room stay in Redis
 */
export function startArchiving(
  { redis, db, log, lifecycle }: { redis: PartitionedRedis; db: Database; log: Logger; lifecycle: Lifecycle },
  recent: number,
): void {
  const loop = startLoop(() => archiveAll(redis, db, recent), { name: 'archiving', log, everyMs: EVERY_MS });
  lifecycle.onStop('archiving', 'work', () => loop.stop());
  lifecycle.onHealthy('archive', async () => {
    const late = await Promise.all(
      redis.partitions.map(({ key }) => redis.ask((client) => client.zcount(key(UNARCHIVED), '-inf', Date.now() - LATE_MS))),
    );
    if (late.some((count) => count > 0)) throw new Error('messages wait for the archive for more than a minute');
  });
}

/** Has the archive know all that Redis has by now. */
export async function archiveAll(redis: PartitionedRedis, db: Database, recent: number): Promise<void> {
  for (const partition of redis.partitions) while (await archiveSome(redis, partition, db, recent));
}

/** @returns whether there may be more */
async function archiveSome(redis: PartitionedRedis, { key }: Partition, db: Database, recent: number): Promise<boolean> {
  const waiting = await redis.ask((client) => client.zrangebyscore(key(UNARCHIVED), '-inf', '+inf', 'LIMIT', 0, BATCH));
  if (waiting.length === 0) return false;
  const places = waiting.map((each) => {
    const [roomId = '', sequence = ''] = each.split('/');
    return { roomId, sequence };
  });
  const texts = await redis.ask(async (client) => {
    const pipeline = client.pipeline();
    for (const { roomId, sequence } of places) pipeline.hget(key(messagesKey(roomId)), sequence);
    return ((await pipeline.exec()) ?? []).map(([error, text]) => {
      if (error) throw error;
      return text as string | null;
    });
  });
  await archiveMessages(
    db,
    texts.filter((text) => text !== null),
  );
  for (const [roomId, those] of Map.groupBy(
    places.map((place, at) => ({ ...place, text: texts[at] })),
    (place) => place.roomId,
  )) {
    const keys = [logKey(roomId), messagesKey(roomId), idsKey(roomId), UNARCHIVED].map(key);
    const versions = those.flatMap(({ sequence, text }) => [sequence, text ? fromText(text).version : 0]);
    await redis.write(ARCHIVED, keys, [roomId, recent, 2 * BATCH, ...versions]);
  }
  return waiting.length === BATCH;
}

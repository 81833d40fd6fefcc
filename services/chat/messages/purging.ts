import { startLoop } from '#platform/concurrency/loop.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { transaction } from '#platform/redis/transaction.ts';
import { nextVersion } from '../domain.ts';
import { messageGone } from '../events.ts';
import { logKey } from '../rooms/store.ts';
import { archiveOfRoom, forgetArchived } from './archive.ts';
import { archiveAll } from './archiving.ts';
import { idsKey, type Messages, messagesKey } from './store.ts';

const EVERY_MS = 1_000;
const BATCH = 200;

/**
 * Has what was said in rooms that are gone go, too, and tells that.
 *
 * @param recent how many messages of a room stay in Redis
 */
export function startPurging(
  messages: Messages,
  recent: number,
  { log, lifecycle }: { log: Logger; lifecycle: Lifecycle },
): void {
  const loop = startLoop(() => purgeRooms(messages, recent), { name: 'purging', log, everyMs: EVERY_MS });
  lifecycle.onStop('purging', 'work', () => loop.stop());
}

export async function purgeRooms(messages: Messages, recent: number): Promise<void> {
  const { redis } = messages;
  for (const { key } of redis.partitions)
    for (const roomId of await redis.ask((client) => client.smembers(key('purging')))) await purgeRoom(messages, roomId, recent);
}

/**
 * From where a room's messages are, they go: first to the archive, which is in order, then from Redis, then from the archive. A room is forgotten
 * when a turn finds none: another process may have archived one just now.
 */
async function purgeRoom({ redis, db }: Messages, roomId: string, recent: number): Promise<void> {
  await archiveAll(redis, db, recent);
  const partition = redis.of(roomId);
  await transaction(redis, partition, async (tx) => {
    for (const name of [logKey(roomId), messagesKey(roomId), idsKey(roomId)]) tx.write('DEL', name);
  });
  let count = 0;
  for (let left = BATCH; left === BATCH; count += left) {
    const some = await archiveOfRoom(db, roomId, BATCH);
    await transaction(redis, partition, async (tx) => {
      const epoch = await tx.epoch();
      tx.emit(some.map(({ messageId, version }) => messageGone(roomId, messageId, nextVersion(version, epoch))));
    });
    await forgetArchived(
      db,
      some.map(({ messageId }) => messageId),
    );
    left = some.length;
  }
  if (count === 0) await transaction(redis, partition, async (tx) => tx.write('SREM', 'purging', roomId));
}

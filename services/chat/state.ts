import type { Served } from '#platform/grpc/server.ts';
import type { OutboxEvent } from '#platform/outbox/event.ts';
import { type RedisTransaction, transaction } from '#platform/redis/transaction.ts';
import { serveState, type TellableState, type Told, type Which } from '#platform/state.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { messageEvent, messageGone, placeEvent, roomDeleted, roomEvent } from './events.ts';
import { readArchive } from './messages/archive.ts';
import { archiveAll } from './messages/archiving.ts';
import { changeMessage, type Messages } from './messages/store.ts';
import { findPlaces, findRoom, roomIdsFrom, savePlace, saveRoom } from './rooms/store.ts';

/** What Chat says of its present state. @param recent how many messages of a room stay in Redis */
export function chatState(messages: Messages, recent: number): Served {
  return serveState({ room: rooms(messages), 'room-member': places(messages), message: said(messages, recent) });
}

const asWritten = ({ aggregateType: type, aggregateId: id, version }: OutboxEvent): AggregateVersion => ({ type, id, version });

/** Changes what is in one partition, and tells it. */
const tell = ({ redis }: Messages, id: string, work: (tx: RedisTransaction) => Promise<OutboxEvent[]>) =>
  transaction(redis, redis.of(id), async (tx) => {
    const events = await work(tx);
    tx.emit(events);
    return events.map(asWritten);
  });

/** One after the other: many may be in one partition. */
async function eachOf<T>(all: readonly T[], work: (one: T) => Promise<AggregateVersion[]>): Promise<AggregateVersion[]> {
  const written: AggregateVersion[] = [];
  for (const one of all) written.push(...(await work(one)));
  return written;
}

function rooms(messages: Messages): Told {
  const read = (roomId: string): Promise<TellableState[]> =>
    transaction(messages.redis, messages.redis.of(roomId), async (tx) => {
      const room = await findRoom(tx, roomId);
      if (!room || room.version === 0) return [];
      return [{ ...roomEvent('room.updated', room), changing: room.lockHolder !== null }];
    });
  return {
    read: async (which) => {
      const ids = 'ids' in which ? which.ids : await roomIdsFrom(messages.redis, `(${which.after}`, which.limit);
      return (await Promise.all(ids.map(read))).flat();
    },
    raise: (seen) =>
      eachOf(seen, ({ id, version }) =>
        tell(messages, id, async (tx) => {
          const room = await findRoom(tx, id);
          if (!room || room.version === 0) return [roomDeleted(id, version + 1)];
          if (room.version > version) return [];
          const raised = { ...room, version: version + 1 };
          saveRoom(tx, raised);
          return [roomEvent('room.updated', raised)];
        }),
      ),
  };
}

function places(messages: Messages): Told {
  const read = (roomId: string): Promise<TellableState[]> =>
    transaction(messages.redis, messages.redis.of(roomId), async (tx) => {
      const room = await findRoom(tx, roomId);
      const changing = room?.lockHolder !== null;
      const all = [...(await findPlaces(tx, roomId))].toSorted(([a], [b]) => (a < b ? -1 : 1));
      return all.map(([memberId, place]) => ({ ...placeEvent(roomId, memberId, place), changing }));
    });
  const page = async (which: Which): Promise<TellableState[]> => {
    if ('ids' in which) {
      const wanted = new Set(which.ids);
      const roomIds = [...new Set(which.ids.map((id) => id.split('/')[0] ?? ''))];
      return (await Promise.all(roomIds.map(read))).flat().filter(({ aggregateId }) => wanted.has(aggregateId));
    }
    const { after, limit } = which;
    const found: TellableState[] = [];
    for (let from = `[${after.split('/')[0]}`; found.length < limit; ) {
      const ids = await roomIdsFrom(messages.redis, from, ROOMS_AT_ONCE);
      for (const id of ids) found.push(...(await read(id)).filter(({ aggregateId }) => aggregateId > after));
      const last = ids.at(-1);
      if (!last || ids.length < ROOMS_AT_ONCE) break;
      from = `(${last}`;
    }
    return found.slice(0, limit);
  };
  return {
    read: page,
    raise: (seen) =>
      eachOf(seen, ({ id, version }) => {
        const [roomId = '', memberId = ''] = id.split('/');
        return tell(messages, roomId, async (tx) => {
          const room = await findRoom(tx, roomId);
          const place = (await findPlaces(tx, roomId)).get(memberId);
          if (!room || !place) return [placeEvent(roomId, memberId, undefined, version + 1)];
          if (place.version > version) return [];
          const raised = { ...place, version: version + 1 };
          savePlace(tx, roomId, memberId, raised);
          const events = [placeEvent(roomId, memberId, raised)];
          if (room.version > version) return events;
          // What changes it next is newer.
          const roomRaised = { ...room, version: version + 1 };
          saveRoom(tx, roomRaised);
          return [roomEvent('room.updated', roomRaised), ...events];
        });
      }),
  };
}

const ROOMS_AT_ONCE = 50;

function said(messages: Messages, recent: number): Told {
  const read = async (which: Which) => {
    await archiveAll(messages.redis, messages.db, recent);
    return await readArchive(messages.db, which);
  };
  return {
    read: async (which) =>
      (await read(which)).map((message) => messageEvent(message.deletedAt ? 'message.deleted' : 'message.updated', message)),
    async raise(seen) {
      const there = new Map((await read({ ids: seen.map(({ id }) => id) })).map((message) => [message.messageId, message]));
      return await eachOf(seen, async ({ id, version }) => {
        const message = there.get(id);
        if (!message) return tell(messages, id, async () => [messageGone('', id, version + 1)]);
        if (message.version > version) return [];
        const { version: raised } = await changeMessage(messages, { ...message, memberId: '', least: version + 1 }, (before) => ({
          after: before,
          type: before.deletedAt ? 'message.deleted' : 'message.updated',
        }));
        return [{ type: 'message', id, version: raised }];
      });
    },
  };
}

import type { OutboxEvent } from '#platform/outbox/event.ts';
import type { RedisTransaction } from '#platform/redis/transaction.ts';
import { placesAfter, type Room, type RoomChange } from '../domain.ts';
import { placeEvent, roomDeleted, roomEvent } from '../events.ts';
import { beginLog, findPlaces, noteJoined, removePlace, removeRoom, savePlace, saveRoom } from './store.ts';

/**
 * Makes a change of a room, and tells it. A room that nobody is left in is gone.
 *
 * @param room with the version that it has from then on
 * @returns its events, of the room first; and who was in it, and is not any more
 */
export async function changeRoom(
  tx: RedisTransaction,
  room: Room,
  change: RoomChange,
): Promise<{ events: OutboxEvent[]; left: string[] }> {
  const { roomId, version } = room;
  const before = await findPlaces(tx, roomId);
  const places = change.change === 'delete' ? null : placesAfter(before, change, room);
  if (!places) {
    removeRoom(tx, roomId, before.keys());
    return { events: [roomDeleted(roomId, version)], left: [...before.keys()] };
  }
  const changed = { ...room, ...(change.change === 'update' ? { name: change.name } : {}) };
  saveRoom(tx, changed);
  if (change.change === 'create') beginLog(tx, roomId, await tx.epoch());
  for (const memberId of places.changed) {
    const place = places.after.get(memberId);
    if (!place) removePlace(tx, roomId, memberId);
    else {
      savePlace(tx, roomId, memberId, place);
      if (!before.has(memberId)) await noteJoined(tx, roomId, memberId);
    }
  }
  const events = [
    roomEvent(change.change === 'create' ? 'room.created' : 'room.updated', changed),
    ...places.changed.map((memberId) => placeEvent(roomId, memberId, places.after.get(memberId), version)),
  ];
  return { events, left: places.changed.filter((memberId) => !places.after.has(memberId)) };
}

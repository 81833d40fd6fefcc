import type { Erased, Erasure } from '#platform/erasure.ts';
import { eraseUndos } from '#platform/operations/redis.ts';
import { transaction } from '#platform/redis/transaction.ts';
import type { Message } from './domain.ts';
import { nextVersion } from './domain.ts';
import { archiveOfMember } from './messages/archive.ts';
import { archiveAll } from './messages/archiving.ts';
import { changeMessage, type Messages } from './messages/store.ts';
import { changeRoom } from './rooms/change.ts';
import { findRoom, roomsOf } from './rooms/store.ts';
import { withoutMember } from './rpcs/react.ts';

const BATCH = 100;

/**
 * How Chat erases deleted members: they leave their rooms, what they said has no author any more, and their emoji go.
 *
 * @param texts whether what they said stays
 * @param recent how many messages of a room stay in Redis
 */
export const chatErasure = (messages: Messages, texts: 'keep' | 'remove', recent: number): Erasure => ({
  async erase(memberIds) {
    const { redis, db } = messages;
    const erased: Erased[] = await eraseUndos(redis, memberIds);
    const pending: string[] = [];
    // What was said last is in the archive, too, where it is found by who said it.
    await archiveAll(redis, db, recent);
    for (const memberId of memberIds) {
      const { count, busy } = await leaveRooms(messages, memberId);
      if (busy) pending.push(memberId);
      erased.push({ memberId, place: 'rooms', count });
      erased.push({ memberId, place: 'messages', count: await forgetSaid(messages, memberId, texts, recent) });
    }
    return { erased, pending };
  },
});

/** @returns also whether a job holds one of them: that one is left later */
async function leaveRooms({ redis }: Messages, memberId: string): Promise<{ count: number; busy: boolean }> {
  let count = 0;
  let busy = false;
  for (const roomId of await roomsOf(redis, memberId)) {
    const left = await transaction(redis, redis.of(roomId), async (tx) => {
      const room = await findRoom(tx, roomId);
      if (!room) return true;
      if (room.lockHolder !== null) return false;
      const version = nextVersion(room.version, await tx.epoch());
      const { events } = await changeRoom(tx, { ...room, version, updatedAt: new Date() }, { change: 'remove', memberId });
      tx.emit(events);
      return true;
    });
    if (left) count++;
    else busy = true;
  }
  return { count, busy };
}

async function forgetSaid(messages: Messages, memberId: string, texts: 'keep' | 'remove', recent: number): Promise<number> {
  for (let count = 0; ; ) {
    const some = await archiveOfMember(messages.db, memberId, BATCH);
    for (const { roomId, messageId } of some) {
      await changeMessage(messages, { roomId, messageId }, (before) => {
        const after = without(before, memberId, texts);
        return { after, type: after.deletedAt ? 'message.deleted' : 'message.updated' };
      });
    }
    count += some.length;
    // What is archived without it is not found again.
    await archiveAll(messages.redis, messages.db, recent);
    if (some.length < BATCH) return count;
  }
}

function without(message: Message, memberId: string, texts: 'keep' | 'remove'): Message {
  const reactions = withoutMember(message.reactions, memberId);
  if (message.memberId !== memberId) return { ...message, reactions };
  if (texts === 'keep') return { ...message, memberId: '', reactions };
  return { ...message, memberId: '', text: '', reactions: [], deletedAt: message.deletedAt ?? new Date() };
}

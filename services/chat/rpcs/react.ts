import { MOST_REACTIONS } from '#platform/validation/room-fields.ts';
import type { ReactRequest, ReactResponse } from '#proto/musubi/chat/v1/chat.ts';
import { type Reaction, requireIds, tidyEmoji } from '../domain.ts';
import { changeMessage, type Messages } from '../messages/store.ts';
import { messageNotFound, tooManyReactions } from '../refusals.ts';

/**
 * Puts an emoji on a message, or takes it away. A repeat changes nothing.
 * @throws ROOM_NOT_FOUND, MESSAGE_NOT_FOUND, INVALID_EMOJI, TOO_MANY_REACTIONS
 */
export async function react(messages: Messages, request: ReactRequest): Promise<ReactResponse> {
  const { roomId, memberId, messageId, remove } = request;
  requireIds({ roomId, memberId, messageId });
  const emoji = tidyEmoji(request.emoji);
  const message = await changeMessage(messages, { roomId, memberId, messageId }, (before) => {
    if (before.deletedAt) throw messageNotFound();
    const reactions = remove ? without(before.reactions, memberId, emoji) : having(before.reactions, memberId, emoji);
    if (reactions === before.reactions) return undefined;
    if (reactions.length > MOST_REACTIONS) throw tooManyReactions();
    return { after: { ...before, reactions }, type: 'message.updated' };
  });
  return { message };
}

function having(reactions: Reaction[], memberId: string, emoji: string): Reaction[] {
  const there = reactions.find((each) => each.emoji === emoji);
  if (!there) return [...reactions, { emoji, memberIds: [memberId] }];
  if (there.memberIds.includes(memberId)) return reactions;
  return reactions.map((each) => (each === there ? { emoji, memberIds: [...each.memberIds, memberId] } : each));
}

function without(reactions: Reaction[], memberId: string, emoji: string): Reaction[] {
  if (!reactions.some((each) => each.emoji === emoji && each.memberIds.includes(memberId))) return reactions;
  return withoutMember(reactions, memberId, emoji);
}

/** Reactions without those of a member. @param emoji only this one; default: all */
export const withoutMember = (reactions: readonly Reaction[], memberId: string, emoji?: string): Reaction[] =>
  reactions
    .map((each) =>
      emoji === undefined || each.emoji === emoji ? { ...each, memberIds: each.memberIds.filter((id) => id !== memberId) } : each,
    )
    .filter(({ memberIds }) => memberIds.length > 0);

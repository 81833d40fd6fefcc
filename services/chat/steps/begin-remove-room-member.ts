import type { BeginRemoveRoomMemberRequest } from '#proto/musubi/chat/v1/chat.ts';
import { requireIds } from '../domain.ts';
import { notInRoom } from '../refusals.ts';
import { findPlace } from '../rooms/store.ts';
import { lockRoom, requireOwner } from './lock.ts';

/** Anybody leaves; an owner removes others. @throws NOT_ROOM_OWNER, NOT_IN_ROOM */
export const beginRemoveRoomMember = lockRoom<BeginRemoveRoomMemberRequest>(async (tx, { roomId, byMemberId, memberId }, by) => {
  requireIds({ memberId });
  if (memberId !== byMemberId) requireOwner(by);
  if (!(await findPlace(tx, roomId, memberId))) throw notInRoom();
  return { change: 'remove', memberId };
});

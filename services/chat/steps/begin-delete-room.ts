import type { BeginDeleteRoomRequest } from '#proto/musubi/chat/v1/chat.ts';
import { lockRoom, requireOwner } from './lock.ts';

/** @throws NOT_ROOM_OWNER */
export const beginDeleteRoom = lockRoom<BeginDeleteRoomRequest>(async (_, __, by) => {
  requireOwner(by);
  return { change: 'delete' };
});

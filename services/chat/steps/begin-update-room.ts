import type { BeginUpdateRoomRequest } from '#proto/musubi/chat/v1/chat.ts';
import { tidyName } from '../domain.ts';
import { lockRoom, requireOwner } from './lock.ts';

/** @throws INVALID_ROOM, NOT_ROOM_OWNER */
export const beginUpdateRoom = lockRoom<BeginUpdateRoomRequest>(async (_, { name }, by) => {
  const tidy = tidyName(name);
  requireOwner(by);
  return { change: 'update', name: tidy };
});

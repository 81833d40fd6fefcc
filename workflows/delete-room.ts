import { ofAll, ofMembers } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, chat, websocket } = services;

export interface DeleteRoomInput {
  roomId: string;
  /** Who deletes it. */
  byMemberId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Deletes a room, with all that was said in it. */
export const deleteRoom = saga(
  'room.delete',
  [
    [
      chat.beginDeleteRoom,
      pivot(auth.confirmPermit),
      finish(chat.commitRoom, (roomId) => ({ roomId })),
      finish(websocket.narrowSockets, ofAll),
    ],
  ],
  async ({ step }, { roomId, byMemberId, expectedVersion }: DeleteRoomInput) => {
    await step(chat.beginDeleteRoom, { roomId, byMemberId, expectedVersion });
    await step(auth.confirmPermit, {});
    const { leftMemberIds } = await step(chat.commitRoom, { roomId });
    await step(websocket.narrowSockets, ofMembers(...leftMemberIds));
    return { id: roomId };
  },
);

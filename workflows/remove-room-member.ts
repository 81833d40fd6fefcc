import { ofAll, ofMembers } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, chat, websocket } = services;

export interface RemoveRoomMemberInput {
  roomId: string;
  /** Who removes it: itself, where it leaves. */
  byMemberId: string;
  memberId: string;
}

/** Takes a member out of a room, or lets it leave. */
export const removeRoomMember = saga(
  'room.remove-member',
  [
    [
      chat.beginRemoveRoomMember,
      pivot(auth.confirmPermit),
      finish(chat.commitRoom, (roomId) => ({ roomId })),
      finish(websocket.narrowSockets, ofAll),
    ],
  ],
  async ({ step }, { roomId, byMemberId, memberId }: RemoveRoomMemberInput) => {
    await step(chat.beginRemoveRoomMember, { roomId, byMemberId, memberId });
    await step(auth.confirmPermit, {});
    await step(chat.commitRoom, { roomId });
    await step(websocket.narrowSockets, ofMembers(memberId));
    return { id: roomId };
  },
);

import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, chat } = services;

export interface AddRoomMemberInput {
  roomId: string;
  /** Who adds it. */
  byMemberId: string;
  memberId: string;
}

/** Puts a member into a room. */
export const addRoomMember = saga(
  'room.add-member',
  [[chat.beginAddRoomMember, pivot(auth.confirmPermit), finish(chat.commitRoom, (roomId) => ({ roomId }))]],
  async ({ step }, { roomId, byMemberId, memberId }: AddRoomMemberInput) => {
    await step(chat.beginAddRoomMember, { roomId, byMemberId, memberId });
    await step(auth.confirmPermit, {});
    await step(chat.commitRoom, { roomId });
    return { id: roomId };
  },
);

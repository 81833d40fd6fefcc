import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, chat } = services;

export interface UpdateRoomInput {
  roomId: string;
  /** Who changes it. */
  byMemberId: string;
  name: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Gives a room another name. */
export const updateRoom = saga(
  'room.update',
  [[chat.beginUpdateRoom, pivot(auth.confirmPermit), finish(chat.commitRoom, (roomId) => ({ roomId }))]],
  async ({ step }, { roomId, byMemberId, name, expectedVersion }: UpdateRoomInput) => {
    await step(chat.beginUpdateRoom, { roomId, byMemberId, name, expectedVersion });
    await step(auth.confirmPermit, {});
    await step(chat.commitRoom, { roomId });
    return { id: roomId };
  },
);

import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, chat } = services;

export interface CreateRoomInput {
  /** Minted by the gateway. */
  roomId: string;
  /** Who makes it. */
  ownerId: string;
  name: string;
  /** Others that are in it from the beginning. */
  memberIds: string[];
}

/** Makes a room, with those who are in it from the beginning. */
export const createRoom = saga(
  'room.create',
  [[chat.beginCreateRoom, pivot(auth.confirmPermit), finish(chat.commitRoom, (roomId) => ({ roomId }))]],
  async ({ step }, { roomId, ownerId, name, memberIds }: CreateRoomInput) => {
    await step(chat.beginCreateRoom, { roomId, ownerId, name, memberIds });
    await step(auth.confirmPermit, {});
    await step(chat.commitRoom, { roomId });
    return { id: roomId };
  },
);

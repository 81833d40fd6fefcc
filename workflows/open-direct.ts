import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, chat } = services;

export interface OpenDirectInput {
  /** Made of its members' IDs: so it is one room, whoever of them asks, also at the same time. */
  roomId: string;
  /** All that are in it, who asks among them. */
  memberIds: string[];
}

/** Makes the room in which exactly these talk, or leaves it as it is where it is there. */
export const openDirect = saga(
  'room.open-direct',
  [[chat.beginOpenDirect, pivot(auth.confirmPermit), finish(chat.commitRoom, (roomId) => ({ roomId }))]],
  async ({ step }, { roomId, memberIds }: OpenDirectInput) => {
    await step(chat.beginOpenDirect, { roomId, memberIds });
    await step(auth.confirmPermit, {});
    await step(chat.commitRoom, { roomId });
    return { id: roomId };
  },
);

import { randomBytes, randomUUID } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Case, Context, Way } from './sagas.ts';

type RoomCommand = Extract<CommandName, `room.${string}`>;
type Ids = Record<'roomId' | 'ownerId' | 'otherId' | 'newId', string>;

const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;

/** Who is in rooms need not be registered: Chat knows members by their IDs only. */
const someIds = (): Ids => ({ roomId: newId(), ownerId: newId(), otherId: newId(), newId: newId() });

function of<C extends RoomCommand>(command: C, input: CommandInput<C>, ids: Record<string, string> & Ids): Case {
  return { command, input, ids, aggregateId: ids.roomId };
}

/** A room that has an owner and another member. */
function createCase(): Case & { ids: Ids } {
  const ids = { ...someIds(), roomName: name() };
  const { roomId, ownerId, otherId, roomName } = ids;
  return { ...of('room.create', { roomId, ownerId, name: roomName, memberIds: [otherId] }, ids), ids };
}

function directCase(): Case {
  const ids = { ...someIds(), roomId: randomUUID() };
  return of('room.open-direct', { roomId: ids.roomId, memberIds: [ids.ownerId, ids.otherId] }, ids);
}

/** A case in a room of its own that was made before. */
const inRoom =
  (last: (ids: Ids) => Case): Way['make'] =>
  async (context) => {
    const { ids, ...made } = createCase();
    await context.run({ ...made, ids });
    return last(ids);
  };

const update = (ids: Ids): Case => {
  const newName = name();
  return of('room.update', { roomId: ids.roomId, byMemberId: ids.ownerId, name: newName }, { ...ids, newName });
};
const remove = (ids: Ids, memberId: string): Case =>
  of('room.remove-member', { roomId: ids.roomId, byMemberId: memberId, memberId }, ids);

/** The same case, while another job is at the room, which changes nothing. */
const occupied =
  (make: Way['make']): Way['make'] =>
  async (context: Context) => {
    const { chat } = context.peers;
    const made = await make(context);
    const { roomId = '', ownerId: byMemberId = '' } = made.ids;
    const operationId = `${newId()}/chat.beginUpdateRoom`;
    const occupy = async () => {
      await chat.beginUpdateRoom({ operationId, roomId, byMemberId, name: 'held', expectedVersion: undefined });
      return () => chat.undo({ operationId });
    };
    return { ...made, occupy };
  };

/** The sagas of rooms, each in a room of its own. */
export const ROOM_WAYS: Record<RoomCommand, Way> & Record<string, Way> = {
  'room.create': { make: async () => createCase() },
  'room.open-direct': { make: async () => directCase() },
  'room.open-direct of one that there is': {
    make: async (context) => {
      const made = directCase();
      await context.run(made);
      return made;
    },
  },
  'room.update': { make: inRoom(update) },
  'room.update while another job changes the room': { make: occupied(inRoom(update)) },
  'room.delete': { make: inRoom((ids) => of('room.delete', { roomId: ids.roomId, byMemberId: ids.ownerId }, ids)) },
  'room.add-member': {
    make: inRoom((ids) => of('room.add-member', { roomId: ids.roomId, byMemberId: ids.ownerId, memberId: ids.newId }, ids)),
  },
  'room.remove-member': {
    make: inRoom((ids) => of('room.remove-member', { roomId: ids.roomId, byMemberId: ids.ownerId, memberId: ids.otherId }, ids)),
  },
  'room.remove-member of who leaves': { make: inRoom((ids) => remove(ids, ids.otherId)), onlyInWhole: true },
  // The other one owns it then.
  'room.remove-member of the last owner': { make: inRoom((ids) => remove(ids, ids.ownerId)) },
  // Nobody is left, so it is gone.
  'room.remove-member of the last one': {
    make: async (context) => {
      const leave = await inRoom((ids) => remove(ids, ids.ownerId))(context);
      await context.run(leave);
      const { otherId = '' } = leave.ids;
      return {
        ...leave,
        input: { ...leave.input, byMemberId: otherId, memberId: otherId } as CommandInput<'room.remove-member'>,
      };
    },
  },
};

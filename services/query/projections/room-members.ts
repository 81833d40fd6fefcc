import { z } from 'zod';
import { defineProjection } from './projection.ts';
import { rooms } from './rooms.ts';

/** room-member.events → room_members: who is in a room. May come before the room itself. */
export const roomMembers = defineProjection({
  aggregateType: 'room-member',
  table: 'room_members',
  within: { of: rooms, by: 'room_id' },
  payload: {
    roomId: z.string().min(1),
    memberId: z.string().min(1),
    member: z.object({ joinedAt: z.iso.datetime({ offset: true }), owner: z.boolean().default(false) }).optional(),
  },
  columns: { room_id: 'text', member_id: 'text', owner: 'boolean', joined_at: 'timestamptz' },
  row: ({ roomId, memberId, member }) =>
    member && { room_id: roomId, member_id: memberId, owner: member.owner, joined_at: member.joinedAt },
});

import { z } from 'zod';
import { defineProjection } from './projection.ts';

/** room.events → rooms. One that is gone does not come back. */
export const rooms = defineProjection({
  aggregateType: 'room',
  table: 'rooms',
  payload: {
    room: z
      .object({
        // Any: one of a newer release is one of a room that is there.
        kind: z.string().default('ROOM_KIND_UNSPECIFIED'),
        name: z.string().default(''),
        createdAt: z.iso.datetime({ offset: true }),
        updatedAt: z.iso.datetime({ offset: true }),
      })
      .optional(),
  },
  columns: { kind: 'text', name: 'text', created_at: 'timestamptz', updated_at: 'timestamptz' },
  row: ({ room }) => room && { kind: room.kind, name: room.name, created_at: room.createdAt, updated_at: room.updatedAt },
});

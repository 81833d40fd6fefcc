import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import { PositionKind, Reach } from '#proto/musubi/position/v1/position.ts';
import type { PositionView } from '#proto/musubi/query/v1/query.ts';
import type { RequestGateway } from '../gateway.ts';
import { tagged } from '../http/etag.ts';
import { pageSchema } from '../http/paging.ts';
import type { Principal } from '../http/route.ts';
import { EXAMPLE_ID } from '../id.ts';
import { iso } from './time.ts';

// How positions are shown.

export const positionSchema = z
  .strictObject({
    id: z.string(),
    groupId: z.string(),
    name: z.string(),
    kind: z.enum(['custom', 'member', 'leader', 'unknown']).meta({
      description:
        "custom: one of the group's own. member: everybody in the group holds it. leader: who is bound to it leads the group. unknown: what a newer release says of it has no word here",
    }),
    permissions: z
      .array(
        z.strictObject({
          action: z.string(),
          reach: z.enum(['here', 'subtree']).meta({ description: 'here: in its group. subtree: in all groups below it, too' }),
        }),
      )
      .meta({ description: 'What who holds it may do' }),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({
    id: 'Position',
    examples: [
      {
        id: EXAMPLE_ID,
        groupId: '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40',
        name: '副部長',
        kind: 'custom',
        permissions: [{ action: 'group.add-member', reach: 'subtree' }],
        createdAt: '2026-11-25T09:30:00.000Z',
        updatedAt: '2026-11-25T09:30:00.000Z',
      },
    ],
  });

export const positionPageSchema = pageSchema(positionSchema, 'PositionPage');

type Shown = z.output<typeof positionSchema>;

/** Every kind of Position's contract; a newer release may have others. */
const KINDS: Readonly<Partial<Record<PositionKind, Shown['kind']>>> = {
  [PositionKind.POSITION_KIND_UNSPECIFIED]: 'custom',
  [PositionKind.POSITION_KIND_MEMBER]: 'member',
  [PositionKind.POSITION_KIND_LEADER]: 'leader',
};

export function positionShown({ positionId, groupId, name, kind, permissions, createdAt, updatedAt }: PositionView): Shown {
  return {
    id: positionId,
    groupId,
    name,
    kind: KINDS[kind] ?? 'unknown',
    permissions: permissions.map(({ action, reach }) => ({ action, reach: reach === Reach.REACH_SUBTREE ? 'subtree' : 'here' })),
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  };
}

/** The answer that shows a position of a group. @throws GROUP_NOT_FOUND, also for one that is not seen; POSITION_NOT_FOUND */
export async function readPosition(gateway: RequestGateway, groupId: string, positionId: string, seen: Principal['seen']) {
  const { position } = await gateway.query.getPosition({ groupId, positionId, seen });
  if (!position) throw internal('INTERNAL', 'Query answered without a position');
  return tagged(position.version, positionShown(position));
}

import { z } from 'zod';
import type { GroupMember } from '#proto/musubi/query/v1/query.ts';
import type { RequestGateway } from '../../gateway.ts';
import { pageSchema } from '../../http/paging.ts';
import { EXAMPLE_ID } from '../../id.ts';
import { memberSchema, shownTo } from '../member-view.ts';
import { iso } from '../time.ts';

// How the members of a group are shown: each as it is anywhere, and what it is there.

const EXAMPLE_OF_GROUP = {
  joinedAt: '2026-11-25T09:30:00.000Z',
  tags: ['on call'],
  positions: [{ positionId: EXAMPLE_ID, boundAt: '2026-11-25T09:30:00.000Z' }],
};

const groupMemberSchema = z
  .strictObject({
    ...memberSchema.shape,
    joinedAt: z.iso.datetime().meta({ description: 'Since when it is in the group' }),
    tags: z.array(z.string()).meta({ description: "The tags of the group's own set that are on it" }),
    positions: z
      .array(
        z.strictObject({
          positionId: z.string(),
          boundAt: z.iso.datetime(),
          until: z.iso.datetime().optional().meta({ description: 'When it ends; absent: never' }),
        }),
      )
      .meta({ description: 'What it is bound to in the group, besides the position of all members' }),
  })
  .meta({
    id: 'GroupMember',
    examples: (memberSchema.meta()?.examples ?? []).slice(0, 1).map((one) => ({ ...(one as object), ...EXAMPLE_OF_GROUP })),
  });

export const groupMemberPageSchema = pageSchema(groupMemberSchema, 'GroupMemberPage');

/** The members of a group, as the member of the token sees them. */
export async function groupMembersShown(
  accessToken: string,
  gateway: RequestGateway,
  members: readonly GroupMember[],
): Promise<z.output<typeof groupMemberSchema>[]> {
  const those = members.flatMap(({ member, ...rest }) => (member ? [{ member, ...rest }] : []));
  const shown = await shownTo(
    accessToken,
    gateway,
    those.map(({ member }) => member),
  );
  return shown.map((member, index) => {
    const { joinedAt, tags = [], positions = [] } = those[index] ?? {};
    return {
      ...member,
      joinedAt: iso(joinedAt),
      tags,
      positions: positions.map(({ positionId, boundAt, until }) => ({
        positionId,
        boundAt: iso(boundAt),
        ...(until ? { until: iso(until) } : {}),
      })),
    };
  });
}

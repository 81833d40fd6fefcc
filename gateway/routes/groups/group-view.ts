import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import { Visibility } from '#proto/musubi/group/v1/group.ts';
import type { GroupView } from '#proto/musubi/query/v1/query.ts';
import type { Reader } from '../../commands/route.ts';
import type { RequestGateway } from '../../gateway.ts';
import { seenOf, seenOrNone } from '../../http/authorize.ts';
import { tagged } from '../../http/etag.ts';
import { pageSchema } from '../../http/paging.ts';
import { EXAMPLE_ID } from '../../id.ts';
import { iso } from '../time.ts';

// How groups are shown.

export const groupSchema = z
  .strictObject({
    id: z.string().meta({ description: 'A UUID, or `root`: the whole organisation' }),
    parentId: z.string().optional().meta({
      description: 'The group that it is in; absent: it is the whole organisation, or that group is not yours to see',
    }),
    name: z.string(),
    description: z.string(),
    visibility: z.enum(['open', 'request', 'invitation', 'unknown']).meta({
      description:
        'open: everybody finds it, and joins. request: everybody finds it, and asks to be let in. invitation: who is in it, or invited, finds it. unknown: what a newer release says of it has no word here',
    }),
    tags: z.array(z.string()).meta({ description: 'Its own set, which is put on groups right below it and on members in it' }),
    carriedTags: z.array(z.string()).meta({
      description: 'The tags that are on it, of the set of the group that it is in; none, where that group is not yours to see',
    }),
    archived: z.boolean().meta({
      description:
        'Whether it is archived by itself: nothing is changed in it, and in what is below it. Of that it does not say so: who looks whether a group can be changed looks at its ancestors, too',
    }),
    archivedAt: z.iso.datetime().optional().meta({ description: 'Since when it is archived; absent: it is not, by itself' }),
    subgroupCount: z.int().min(0).meta({ description: 'How many groups that are yours to see are right below it' }),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({
    id: 'Group',
    examples: [
      {
        id: EXAMPLE_ID,
        parentId: 'root',
        name: '開発部',
        description: 'Those who build it',
        visibility: 'open',
        tags: ['frontend', 'backend'],
        carriedTags: ['engineering'],
        archived: false,
        subgroupCount: 3,
        createdAt: '2026-11-25T09:30:00.000Z',
        updatedAt: '2026-11-25T09:30:00.000Z',
      },
    ],
  });

export const groupPageSchema = pageSchema(groupSchema, 'GroupPage');

/** A group as Auth is asked about it. */
export const group = (id: string) => ({ type: 'Group', id });

type Shown = z.output<typeof groupSchema>;

/** Every visibility of Group's contract; a newer release may have others. */
const VISIBILITIES: Readonly<Partial<Record<Visibility, Shown['visibility']>>> = {
  [Visibility.VISIBILITY_OPEN]: 'open',
  [Visibility.VISIBILITY_REQUEST]: 'request',
  [Visibility.VISIBILITY_INVITATION]: 'invitation',
};

export function groupShown(view: GroupView): Shown {
  const { groupId, parentId, name, description, visibility, tags, carriedTags, archivedAt, subgroupCount, createdAt, updatedAt } =
    view;
  return {
    id: groupId,
    ...(parentId === undefined ? {} : { parentId }),
    name,
    description,
    visibility: VISIBILITIES[visibility] ?? 'unknown',
    tags,
    carriedTags,
    archived: archivedAt !== undefined,
    ...(archivedAt ? { archivedAt: iso(archivedAt) } : {}),
    subgroupCount,
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  };
}

/**
 * The answer that shows a group, and of those around it only what its reader may see.
 *
 * @throws GROUP_NOT_FOUND, also for one that is not seen; PERMISSION_DENIED
 */
export async function readGroup(gateway: RequestGateway, groupId: string, reader: Reader) {
  const [seen, seenGroups] = await Promise.all([
    seenOf(gateway, reader, 'group.read', 'Group', groupId),
    seenOrNone(gateway, reader, 'group.list', 'Group'),
  ]);
  const request = { groupId, memberId: '', seen, seenGroups, include: [], seenMembers: undefined };
  const { group } = await gateway.query.getGroup(request);
  if (!group) throw internal('INTERNAL', 'Query answered without a group');
  return tagged(group.version, groupShown(group));
}

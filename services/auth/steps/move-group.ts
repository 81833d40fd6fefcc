import type { ClientSession } from 'mongodb';
import { DEEPEST } from '#platform/validation/group-fields.ts';
import type { MoveGroupRequest, MoveGroupResponse } from '#proto/musubi/auth/v1/auth.ts';
import { requireHeldThere, requireMayLeadThere } from '../groups/giving.ts';
import type { Permission } from '../groups/group.ts';
import { placeGroup, requireGroup, requireParent } from '../groups/store.ts';
import { type Author, type PermittedStep, requireAdministrator } from '../permitted.ts';
import { groupCycle, groupTooDeep } from '../refusals.ts';
import type { Store } from '../store.ts';

interface Kept {
  groupId: string;
  /** The IDs of the groups that it was in. */
  path: string[];
}

/**
 * Moves a group with all that is below it. Who leads what it comes to be in leads it, too, from then on: who is no administrator gives by
 * that nothing in it that it does not hold there itself without end, also of what those may do who lead it, or what is below it, puts it where it may make groups,
 * and moves nothing into or out of what policies name.
 *
 * @throws GROUP_NOT_FOUND, GROUP_CYCLE, GROUP_TOO_DEEP, EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED
 */
export const moveGroup: PermittedStep<MoveGroupRequest, MoveGroupResponse, Kept> = {
  takesAway: true,
  async do({ store, session }, { groupId, parentId, endingIds }, author, policies) {
    const { path, positions } = await requireGroup(store, session, groupId);
    const parent = await requireParent(store, session, parentId);
    if (parent.path.includes(groupId)) throw groupCycle();
    const before = path.slice(0, -1);
    await requireHeldThere(author, parentId, [{ action: 'group.create', reach: 'here' }]);
    const giver = author && { ...author, without: endingIds };
    await requireAllowed(store, session, giver, groupId, { from: before, to: parent.path });
    if (parent.path.some((id) => !before.includes(id))) {
      const leading = positions.filter(({ kind }) => kind === 'leader').flatMap(({ permissions }) => permissions);
      await requireHeldThere(giver, groupId, [...leading, ...(await ledBelow(store, session, giver, groupId))]);
      await requireMayLeadThere(store, session, policies, giver, groupId);
    }
    const [deepest] = await store.groups
      .aggregate<{ length: number }>(
        [{ $match: { path: groupId } }, { $group: { _id: null, length: { $max: { $size: '$path' } } } }],
        { session },
      )
      .toArray();
    const below = (deepest?.length ?? path.length) - before.length;
    if (parent.path.length + below > DEEPEST) throw groupTooDeep();
    await placeGroup(store, session, groupId, parent.path);
    return { result: {}, kept: { groupId, path: before } };
  },
  async undo({ store, session }, { groupId, path }) {
    await placeGroup(store, session, groupId, path);
  },
};

async function requireAllowed(
  { groups, roles }: Store,
  session: ClientSession,
  author: Author | undefined,
  groupId: string,
  { from, to }: { from: readonly string[]; to: readonly string[] },
): Promise<void> {
  if (!author || author.isAdmin) return;
  const [left, entered] = [from.filter((id) => !to.includes(id)), to.filter((id) => !from.includes(id))];
  const named = await roles.findOne({ mentioned: { $in: [...left, ...entered] } }, { session, projection: { _id: 1 } });
  if (named) requireAdministrator(author);
  const above = await groups.find({ _id: { $in: entered } }, { session, projection: { positions: 1 } }).toArray();
  const given = above.flatMap(({ positions }) => positions.flatMap(({ permissions }) => permissions));
  await requireHeldThere(
    author,
    groupId,
    given.filter(({ reach }) => reach === 'subtree'),
  );
}

/** What those who lead groups below one may do there: it may be in any of these. Of an administrator it is not asked. */
async function ledBelow(
  { groups }: Pick<Store, 'groups'>,
  session: ClientSession,
  author: Author | undefined,
  groupId: string,
): Promise<Permission[]> {
  if (!author || author.isAdmin) return [];
  const stages = [
    { $match: { path: groupId, _id: { $ne: groupId }, removedBy: { $exists: false } } },
    { $project: { positions: { $filter: { input: '$positions', cond: { $eq: ['$$this.kind', 'leader'] } } } } },
    { $unwind: '$positions' },
    { $unwind: '$positions.permissions' },
    { $group: { _id: '$positions.permissions.action' } },
  ];
  const actions = await groups.aggregate<{ _id: string }>(stages, { session }).toArray();
  return actions.map(({ _id: action }) => ({ action, reach: 'subtree' }));
}

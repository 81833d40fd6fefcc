import type { ClientSession } from 'mongodb';
import { DEEPEST, ROOT } from '#platform/validation/group-fields.ts';
import { type Grant, PositionKind, Reach } from '#proto/musubi/position/v1/position.ts';
import { TENURES_KEPT } from '../domain.ts';
import { groupNotFound } from '../refusals.ts';
import type { Store } from '../store.ts';
import type { Group, Permission, Position, Standing } from './group.ts';

/** A group that is there. @throws GROUP_NOT_FOUND */
export async function requireGroup({ groups }: Pick<Store, 'groups'>, session: ClientSession, groupId: string): Promise<Group> {
  const group = await groups.findOne({ _id: groupId, removedBy: { $exists: false } }, { session });
  if (!group) throw groupNotFound();
  return group;
}

/** A group below which something is put. Of two transactions that move it, and that put something below it, one begins again. @throws GROUP_NOT_FOUND */
export async function requireParent(store: Pick<Store, 'groups'>, session: ClientSession, groupId: string): Promise<Group> {
  // The whole organisation is never moved: who puts something right below it waits for nobody.
  if (groupId === ROOT) return await requireGroup(store, session, groupId);
  const parent = await store.groups.findOneAndUpdate(
    { _id: groupId, removedBy: { $exists: false } },
    { $inc: { placed: 1 } },
    { session, returnDocument: 'after' },
  );
  if (!parent) throw groupNotFound();
  return parent;
}

/** Puts a group and all that is below it on another path. @param to the IDs of the groups that it comes to be in */
export async function placeGroup(
  { groups }: Pick<Store, 'groups'>,
  session: ClientSession,
  groupId: string,
  to: readonly string[],
): Promise<void> {
  const own = { $slice: ['$path', { $indexOfArray: ['$path', { $literal: groupId }] }, DEEPEST] };
  const path = { $concatArrays: [{ $literal: to }, own] };
  await groups.updateMany({ path: groupId }, [{ $set: { path, version: { $add: ['$version', 1] } } }], { session });
}

/**
 * Everybody is in the whole organisation, so of that nothing is kept.
 *
 * @param options `version`: of what is kept of the member, where that must be it; `tenures`: the positions that it comes to hold, or holds for
 *   longer or less long than before
 * @returns whether it was that
 */
export async function putStanding(
  { members }: Pick<Store, 'members'>,
  session: ClientSession,
  group: Group,
  standing: Standing,
  { version, tenures = [] }: { version?: number; tenures?: readonly string[] } = {},
): Promise<boolean> {
  const orNone = (field: string) => ({ $ifNull: [field, []] });
  const without = (field: string, ids: readonly string[]) => ({ $setDifference: [orNone(field), { $literal: ids }] });
  const ofGroup = group.positions.map(({ id }) => id);
  const groupIds =
    standing.isMember && group._id !== ROOT
      ? { $setUnion: [orNone('$groupIds'), [group._id]] }
      : without('$groupIds', [group._id]);
  const positionIds = { $setUnion: [without('$positionIds', ofGroup), { $literal: standing.positionIds }] };
  const others = without('$invitedTo', [group._id]);
  // Who is invited to nothing has no such field, as a new login has none.
  const invitedTo = standing.isInvited
    ? { $setUnion: [others, [group._id]] }
    : { $cond: [{ $eq: [others, []] }, '$$REMOVE', others] };
  const isThat = version === undefined ? {} : { standings: version === 0 ? { $exists: false } : version };
  const isIt = { _id: standing.memberId, ...isThat };
  const more = (count: string, by: number) => ({ $add: [{ $ifNull: [count, 0] }, by] });
  const another = tenures.map((id, index) => ({ at: more('$tenures', index + 1), positionId: { $literal: id } }));
  const lastTenures = { $slice: [{ $concatArrays: [orNone('$lastTenures'), another] }, -TENURES_KEPT] };
  const tenure = tenures.length > 0 ? { tenures: more('$tenures', tenures.length), lastTenures } : {};
  const after = { groupIds, positionIds, invitedTo, standings: more('$standings', 1), ...tenure };
  const { matchedCount } = await members.updateOne(isIt, [{ $set: after }], { session });
  return matchedCount > 0;
}

/**
 * The positions that a member came to hold since it had so many tenures, or holds for another time. Looked at outside of any transaction, so that nothing
 * done by now is missed. Undefined: it is not known which, as that was too long ago, or the store is an older copy.
 */
export async function otherTenures(
  { members }: Pick<Store, 'members'>,
  memberId: string,
  since: number,
): Promise<string[] | undefined> {
  const member = await members.findOne({ _id: memberId }, { projection: { tenures: 1, lastTenures: 1 } });
  const { tenures = 0, lastTenures = [] } = member ?? {};
  const others = lastTenures.filter(({ at }) => at > since).map(({ positionId }) => positionId);
  return others.length === tenures - since ? others : undefined;
}

const KINDS: Partial<Record<PositionKind, Position['kind']>> = {
  [PositionKind.POSITION_KIND_MEMBER]: 'member',
  [PositionKind.POSITION_KIND_LEADER]: 'leader',
};

/** A position as other services tell it. */
export const positionOf = ({ positionId, kind, permissions }: Grant): Position => ({
  id: positionId,
  kind: KINDS[kind] ?? null,
  permissions: permissions.map(({ action, reach }) => ({
    action,
    reach: reach === Reach.REACH_SUBTREE ? 'subtree' : 'here',
  })),
});

/** The same, as it is told. */
export const grantOf = ({ id, kind, permissions }: Position): Grant => ({
  positionId: id,
  kind: TOLD_KINDS[kind ?? 'none'],
  permissions: permissions.map(({ action, reach }) => ({
    action,
    reach: reach === 'subtree' ? Reach.REACH_SUBTREE : Reach.REACH_HERE,
  })),
});
const TOLD_KINDS = {
  member: PositionKind.POSITION_KIND_MEMBER,
  leader: PositionKind.POSITION_KIND_LEADER,
  none: PositionKind.POSITION_KIND_UNSPECIFIED,
} as const;

/** What the first have that the others have not, as far as it reaches. */
export const beyond = (permissions: readonly Permission[], others: readonly Permission[]): Permission[] =>
  permissions.filter(
    ({ action, reach }) => !others.some((one) => one.action === action && (one.reach === reach || one.reach === 'subtree')),
  );

import type { ClientSession } from 'mongodb';
import { ROOT } from '#platform/validation/group-fields.ts';
import { requireId } from '#platform/validation/id.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { ChangeStandingsRequest, ChangeStandingsResponse, StandingChange } from '#proto/musubi/auth/v1/auth.ts';
import type { Group, Position } from '../groups/group.ts';
import { requireGroup } from '../groups/store.ts';
import { type Author, type PermittedStep, requireHeldThere } from '../permitted.ts';
import { lastLeader, memberNotFound, notMember, positionNotFound } from '../refusals.ts';
import type { Store } from '../store.ts';

/** What a member was in the group. */
interface Standing {
  memberId: string;
  isMember: boolean;
  isInvited: boolean;
  positionIds: string[];
}

/** By these a member comes in by itself: it needs to hold nothing there. */
const BY_ITSELF: readonly string[] = ['group.join', 'group.accept-invitation'] satisfies Action[];

interface Kept {
  groupId: string;
  before: Standing[];
}

/**
 * Gives members exactly what is said in a group: whether they are in it or invited, and to which of its positions they are bound. Who is no
 * administrator gives only what it holds there itself, also where it invites; who comes in by itself gets what all members have.
 *
 * @throws GROUP_NOT_FOUND, MEMBER_NOT_FOUND, POSITION_NOT_FOUND, NOT_MEMBER, LAST_LEADER, EXCEEDS_OWN_PERMISSIONS
 */
export const changeStandings: PermittedStep<ChangeStandingsRequest, ChangeStandingsResponse, Kept> = {
  takesAway: true,
  async do({ store, session }, { groupId, changes, leavesNone }, author) {
    // Those who lead a group above it lead it then: whether that is so, an administrator decides.
    if (leavesNone && author && !author.isAdmin) throw lastLeader();
    const group = await requireGroup(store, session, groupId);
    const before: Standing[] = [];
    for (const change of changes) before.push(await apply(store, session, group, change, author));
    return { result: {}, kept: { groupId, before } };
  },
  async undo({ store, session }, { groupId, before }) {
    const group = await store.groups.findOne({ _id: groupId }, { session });
    if (!group) return;
    for (const standing of before.toReversed()) await put(store, session, group, standing);
  },
};

async function apply(
  store: Store,
  session: ClientSession,
  group: Group,
  { memberId, isMember, isInvited, positions }: StandingChange,
  author: Author | undefined,
): Promise<Standing> {
  requireId('changes.memberId', memberId);
  const found = await store.members.findOne(
    { _id: memberId },
    { session, projection: { groupIds: 1, positionIds: 1, invitedTo: 1 } },
  );
  if (!found) throw memberNotFound();
  const bindable = group.positions.filter(({ kind }) => kind !== 'member');
  const idsOf = (some: readonly Position[]): string[] => some.map(({ id }) => id);
  const before: Standing = {
    memberId,
    isMember: group._id === ROOT || (found.groupIds?.includes(group._id) ?? false),
    isInvited: found.invitedTo?.includes(group._id) ?? false,
    positionIds: idsOf(bindable.filter(({ id }) => found.positionIds?.includes(id))),
  };
  const after: Standing = {
    memberId,
    isMember: isMember ?? before.isMember,
    isInvited: !(isMember ?? before.isMember) && (isInvited ?? before.isInvited),
    positionIds: positions?.positionIds ?? before.positionIds,
  };
  const bound = bindable.filter(({ id }) => after.positionIds.includes(id));
  if (bound.length < new Set(after.positionIds).size) throw positionNotFound();
  if (bound.length > 0 && !after.isMember) throw notMember();
  const added = bound.filter(({ id }) => !before.positionIds.includes(id));
  const byItself = author?.memberId === memberId && BY_ITSELF.includes(author.action);
  const isBroughtIn = (after.isMember && !before.isMember && !byItself) || (after.isInvited && !before.isInvited);
  const given = isBroughtIn ? [...added, ...group.positions.filter(({ kind }) => kind === 'member')] : added;
  await requireHeldThere(
    author,
    group._id,
    given.flatMap(({ permissions }) => permissions),
  );
  await put(store, session, group, after);
  return before;
}

/** Everybody is in the whole organisation, so of that nothing is kept. */
async function put({ members }: Store, session: ClientSession, group: Group, standing: Standing): Promise<void> {
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
  await members.updateOne({ _id: standing.memberId }, [{ $set: { groupIds, positionIds, invitedTo } }], { session });
}

import type { ClientSession } from 'mongodb';
import { ROOT } from '#platform/validation/group-fields.ts';
import { requireId } from '#platform/validation/id.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { ChangeStandingsRequest, ChangeStandingsResponse, StandingChange } from '#proto/musubi/auth/v1/auth.ts';
import type { Group, Position, Standing } from '../groups/group.ts';
import { putStanding, requireGroup } from '../groups/store.ts';
import { type Author, type PermittedStep, requireHeldThere, requireHoldsNamed, requireMayLeadThere } from '../permitted.ts';
import type { Policies } from '../policies.ts';
import { lastLeader, memberNotFound, notMember, positionNotFound } from '../refusals.ts';
import type { Store } from '../store.ts';

/** By these a member comes in by itself: it needs to hold nothing there. */
const BY_ITSELF: readonly string[] = ['group.join', 'group.accept-invitation'] satisfies Action[];
/** By this it goes by itself: it needs to hold nothing there, either. */
const LEAVE = 'group.leave' satisfies Action;

interface Kept {
  groupId: string;
  /** What members were in the group. */
  before: Standing[];
}

/**
 * Gives members exactly what is said in a group: whether they are in it or invited, and to which of its positions they are bound. Who is no
 * administrator gives others only what it holds there itself, also where it invites, with what policies say of leaders and of positions by
 * name; who comes in by itself gets what all members have, and who leaves hands on what it was bound to, whatever else it is forbidden.
 *
 * @throws GROUP_NOT_FOUND, MEMBER_NOT_FOUND, POSITION_NOT_FOUND, NOT_MEMBER, LAST_LEADER, EXCEEDS_OWN_PERMISSIONS
 */
export const changeStandings: PermittedStep<ChangeStandingsRequest, ChangeStandingsResponse, Kept> = {
  takesAway: true,
  async do({ store, session }, { groupId, changes, leavesNone }, author, policies) {
    // Those who lead a group above it lead it then: whether that is so, an administrator decides.
    if (leavesNone && author && !author.isAdmin && !(await hasNoOtherWay(store, session, author, groupId))) throw lastLeader();
    const group = await requireGroup(store, session, groupId);
    const before: Standing[] = [];
    for (const change of changes) {
      const handedOn = author?.action === LEAVE ? before.find(({ memberId }) => memberId === author.memberId)?.positionIds : [];
      before.push(await apply(store, session, group, change, author, policies, handedOn));
    }
    return { result: {}, kept: { groupId, before } };
  },
  async undo({ store, session }, { groupId, before }) {
    const group = await store.groups.findOne({ _id: groupId }, { session });
    if (!group) return;
    for (const standing of before.toReversed()) await putStanding(store, session, group, standing);
  },
};

/** Whether the last that leads a group can but leave it so: nobody is left to succeed it, and it may not delete the group with all below it. */
async function hasNoOtherWay(
  { members }: Pick<Store, 'members'>,
  session: ClientSession,
  author: Author,
  groupId: string,
): Promise<boolean> {
  if (author.action !== LEAVE) return false;
  const others = { groupIds: groupId, _id: { $ne: author.memberId } };
  if (await members.findOne(others, { session, projection: { _id: 1 } })) return false;
  return !(await author.holdsThere(groupId, [{ action: 'group.delete', reach: 'subtree' }]));
}

/** @param handedOn the positions that the author was bound to until then */
async function apply(
  store: Store,
  session: ClientSession,
  group: Group,
  { memberId, isMember, isInvited, positions }: StandingChange,
  author: Author | undefined,
  policies: Policies,
  handedOn: readonly string[] = [],
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
  const added = bound.filter(({ id }) => !before.positionIds.includes(id) && !handedOn.includes(id));
  const byItself = author?.memberId === memberId && BY_ITSELF.includes(author.action);
  const isBroughtIn = (after.isMember && !before.isMember && !byItself) || (after.isInvited && !before.isInvited);
  const given = isBroughtIn ? [...added, ...group.positions.filter(({ kind }) => kind === 'member')] : added;
  await requireHeldThere(
    author,
    group._id,
    given.flatMap(({ permissions }) => permissions),
  );
  await requireHoldsNamed(store, session, author, idsOf(added));
  if (added.some(({ kind }) => kind === 'leader')) await requireMayLeadThere(store, session, policies, author, group._id);
  await putStanding(store, session, group, after);
  return before;
}

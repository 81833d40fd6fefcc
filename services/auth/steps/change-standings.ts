import type { ClientSession } from 'mongodb';
import { ROOT } from '#platform/validation/group-fields.ts';
import { requireId } from '#platform/validation/id.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { ChangeStandingsRequest, ChangeStandingsResponse, StandingChange } from '#proto/musubi/auth/v1/auth.ts';
import type { Tenure } from '#proto/musubi/position/v1/position.ts';
import { requireHeldThere, requireHoldsNamed, requireMayLeadThere } from '../groups/giving.ts';
import type { Group, Position, Standing } from '../groups/group.ts';
import { putStanding, requireGroup } from '../groups/store.ts';
import type { Author, PermittedStep } from '../permitted.ts';
import type { Policies } from '../policies.ts';
import { lastLeader, mayNotShorten, memberNotFound, notMember, positionNotFound } from '../refusals.ts';
import type { Store } from '../store.ts';

/** By these a member comes in by itself: it needs to hold nothing there. */
const BY_ITSELF: readonly string[] = ['group.join', 'group.accept-invitation'] satisfies Action[];
/** By these somebody brings in another one, which it must be allowed to read: else it is as if there was none. */
const OF_ANOTHER: readonly string[] = ['group.add-member', 'group.invite-member'] satisfies Action[];
/** By this it goes by itself: it needs to hold nothing there, either. */
const LEAVE = 'group.leave' satisfies Action;
/** By this another one has it go. */
const EXPEL = 'group.expel-member' satisfies Action;

interface Kept {
  groupId: string;
  /** What members were in the group. */
  before: Standing[];
}

/**
 * Gives members exactly what is said in a group: whether they are in it or invited, and to which of its positions they are bound. Who is no
 * administrator gives others only what it holds there itself, also where it invites, with what policies say of leaders and of positions by
 * name, and only those come in by it whom it may read; who comes in by itself gets what all members have, and who leaves hands on the position of its leaders, whatever else it is forbidden. To hold
 * a position for longer is to be given it, by who holds as much for as long; to hold it for less long is to be let go from it. The audit names the positions that
 * members come to hold, hold for another time, or are let go from.
 *
 * @throws GROUP_NOT_FOUND, MEMBER_NOT_FOUND, POSITION_NOT_FOUND, NOT_MEMBER, LAST_LEADER, EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED,
 *   PERMISSION_DENIED
 */
export const changeStandings: PermittedStep<ChangeStandingsRequest, ChangeStandingsResponse, Kept> = {
  takesAway: true,
  async do({ store, session }, { groupId, changes, tenure }, author, policies) {
    const leavesNone = tenure?.leaders !== undefined && !(await isAnyActive(store, session, tenure.leaders.memberIds));
    // Those who lead a group above it lead it then: whether that is so, an administrator decides.
    if (leavesNone && author && !author.isAdmin && !(await hasNoOtherWay(store, session, author, groupId)))
      throw lastLeader(author.action === LEAVE ? 'leaves' : author.action === EXPEL ? 'is put out' : 'stays');
    const group = await requireGroup(store, session, groupId);
    const leaves = author?.action === LEAVE;
    if (tenure?.shortens) await requireUnbinds(author, groupId);
    const giver = author && { ...author, without: tenure?.endingSoonerIds };
    const prolonged = leaves ? [] : group.positions.filter(({ id }) => tenure?.prolongedIds.includes(id));
    await requireGives(store, session, group, prolonged, giver, policies);
    const before: Standing[] = [];
    const concerned = new Set<string>();
    for (const change of changes) {
      const handedOn = leaves ? before.find(({ memberId }) => memberId === author.memberId)?.positionIds : [];
      const how = { handedOn, isRetermed: isRetermedBy(tenure) };
      const applied = await apply(store, session, group, change, giver, policies, how);
      before.push(applied.before);
      for (const id of applied.positionIds) concerned.add(id);
    }
    const resources = [...concerned].map((id) => ({ type: 'Position', id }));
    return { result: {}, kept: { groupId, before }, audited: { resources } };
  },
  async undo({ store, session }, { groupId, before }) {
    const group = await store.groups.findOne({ _id: groupId }, { session });
    if (!group) return;
    for (const standing of before.toReversed()) await putStanding(store, session, group, standing);
  },
};

/** Whether the last that leads a group can but leave it so: nobody who can log in is left to succeed it, and it may not delete the group with all below it. */
async function hasNoOtherWay(
  { members }: Pick<Store, 'members'>,
  session: ClientSession,
  author: Author,
  groupId: string,
): Promise<boolean> {
  if (author.action !== LEAVE) return false;
  const others = { groupIds: groupId, _id: { $ne: author.memberId }, status: 'active' as const };
  if (await members.findOne(others, { session, projection: { _id: 1 } })) return false;
  return !(await author.holdsThere(groupId, [{ action: 'group.delete', reach: 'subtree' }]));
}

/** Whether one of these can log in. */
async function isAnyActive(
  { members }: Pick<Store, 'members'>,
  session: ClientSession,
  memberIds: readonly string[],
): Promise<boolean> {
  const active = { _id: { $in: [...memberIds] }, status: 'active' as const };
  return (await members.findOne(active, { session, projection: { _id: 1 } })) !== null;
}

/** @throws PERMISSION_DENIED unless the author may let members of the group go from positions */
async function requireUnbinds(author: Author | undefined, groupId: string): Promise<void> {
  const unbind = 'position.unbind' satisfies Action;
  if (author && !(await author.holdsThere(groupId, [{ action: unbind, reach: 'here' }]))) throw mayNotShorten(unbind);
}

/**
 * Who is no administrator gives positions only where it holds what they permit, and what policies say of who holds them, or leads.
 *
 * @throws EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED
 */
async function requireGives(
  store: Store,
  session: ClientSession,
  group: Group,
  positions: readonly Position[],
  author: Author | undefined,
  policies: Policies,
): Promise<void> {
  await requireHeldThere(
    author,
    group._id,
    positions.flatMap(({ permissions }) => permissions),
  );
  await requireHoldsNamed(
    store,
    session,
    author,
    positions.map(({ id }) => id),
  );
  if (positions.some(({ kind }) => kind === 'leader')) await requireMayLeadThere(store, session, policies, author, group._id);
}

/** Whether a member is there to who brings it in. */
const isVisible = async (author: Author | undefined, memberId: string): Promise<boolean> =>
  !author || !OF_ANOTHER.includes(author.action) || (await author.readable([memberId])).has(memberId);

/** Whether who stays bound to a position is so for another time. Which it is for less long was not said before: then it may be any. */
const isRetermedBy =
  (tenure: Tenure | undefined) =>
  (positionId: string): boolean =>
    tenure !== undefined &&
    (tenure.prolongedIds.includes(positionId) ||
      (tenure.shortens && (tenure.shortened?.positionIds.includes(positionId) ?? true)));

/** How a standing is changed. */
interface How {
  /** The positions that the author was bound to until then. */
  handedOn: readonly string[] | undefined;
  /** Whether a position that a member stays bound to it holds for another time. */
  isRetermed: (positionId: string) => boolean;
}

/** @returns what it was before, and the positions by which it is something else */
async function apply(
  store: Store,
  session: ClientSession,
  group: Group,
  { memberId, isMember, isInvited, positions }: StandingChange,
  author: Author | undefined,
  policies: Policies,
  { handedOn = [], isRetermed }: How,
): Promise<{ before: Standing; positionIds: string[] }> {
  requireId('changes.memberId', memberId);
  const found = await store.members.findOne(
    { _id: memberId },
    { session, projection: { groupIds: 1, positionIds: 1, invitedTo: 1 } },
  );
  if (!found || !(await isVisible(author, memberId))) throw memberNotFound();
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
  const ofAll = isBroughtIn ? group.positions.filter(({ kind }) => kind === 'member') : [];
  await requireGives(store, session, group, [...added, ...ofAll], author, policies);
  const tenures = idsOf(bound).filter((id) => !before.positionIds.includes(id) || isRetermed(id));
  await putStanding(store, session, group, after, { tenures });
  return { before, positionIds: [...tenures, ...before.positionIds.filter((id) => !after.positionIds.includes(id))] };
}

import type { Peer } from '#platform/grpc/client.ts';
import { PAGE } from '#platform/state.ts';
import { GroupEvent, MembershipEvent } from '#proto/musubi/group/v1/group.ts';
import { MemberEvent } from '#proto/musubi/member/v1/member.ts';
import { BindingsEvent, PositionEvent, PositionKind } from '#proto/musubi/position/v1/position.ts';
import { MemberRolesEvent, PolicyEvent, RoleEvent } from '#proto/musubi/role/v1/role.ts';
import type { State, StateServiceService, TellStateRequest } from '#proto/musubi/state/v1/state.ts';
import { isFindable } from '../../workflows/findable.ts';
import type { HeldTruth, MemberTruth, PolicyTruth, RoleTruth } from './drift.ts';
import type { BindingsTruth, GroupTruth, MembershipTruth, PositionTruth } from './group-drift.ts';

/** Who tells what members, roles, groups and positions are. */
export type Tellers = Record<'member' | 'role' | 'group' | 'position', Pick<Peer<StateServiceService>, 'tellState'>>;

const TIMEOUT_MS = 20_000;

type Teller = Tellers[keyof Tellers];

const tell = (from: Teller, aggregateType: string, which: Partial<TellStateRequest>): Promise<State[]> =>
  Array.fromAsync(from.tellState({ aggregateType, afterId: '', limit: 0, ids: [], ...which }, { timeoutMs: TIMEOUT_MS }));

/** Those of these IDs. */
async function tellOf<Truth>(
  from: Teller,
  aggregateType: string,
  ids: readonly string[],
  truthOf: (state: State) => Truth,
): Promise<Map<string, Truth>> {
  const found = new Map<string, Truth>();
  for (let at = 0; at < ids.length; at += PAGE) {
    const states = await tell(from, aggregateType, { ids: ids.slice(at, at + PAGE), begun: true });
    for (const state of states) found.set(state.id, truthOf(state));
  }
  return found;
}

const changingOf = ({ changing = false }: State): boolean => changing;

function memberOf(state: State): MemberTruth {
  const { member } = MemberEvent.fromJSON(JSON.parse(state.payloadJson));
  return {
    loginId: member?.loginId ?? '',
    isActive: member?.status === 'MEMBER_STATUS_ACTIVE',
    // One that is being registered is nobody's to compare yet.
    changing: changingOf(state) || member?.status === 'MEMBER_STATUS_PENDING',
  };
}

const heldOf = (state: State): HeldTruth => ({
  roleIds: MemberRolesEvent.fromJSON(JSON.parse(state.payloadJson)).roleIds,
  changing: changingOf(state),
});

const roleOf = (state: State): RoleTruth => ({
  policyIds: RoleEvent.fromJSON(JSON.parse(state.payloadJson)).role?.policyIds ?? [],
  changing: changingOf(state),
});

function policyOf(state: State): PolicyTruth {
  const { policy } = PolicyEvent.fromJSON(JSON.parse(state.payloadJson));
  return { name: policy?.name ?? '', cedar: policy?.cedar ?? '', changing: changingOf(state) };
}

function groupOf(state: State): GroupTruth {
  const { group } = GroupEvent.fromJSON(JSON.parse(state.payloadJson));
  return {
    parentId: group?.parentId,
    findable: isFindable(group?.visibility),
    changing: changingOf(state),
  };
}

function membershipOf(state: State): MembershipTruth {
  const { membership, invitation } = MembershipEvent.fromJSON(JSON.parse(state.payloadJson));
  return { isMember: membership !== undefined, isInvited: invitation !== undefined, changing: changingOf(state) };
}

function positionOf(state: State): PositionTruth {
  const { position } = PositionEvent.fromJSON(JSON.parse(state.payloadJson));
  const { groupId = '', kind = PositionKind.POSITION_KIND_UNSPECIFIED, permissions = [] } = position ?? {};
  return { groupId, grant: { positionId: state.id, kind, permissions }, changing: changingOf(state) };
}

const bindingsOf = (state: State): BindingsTruth => ({
  positionIds: BindingsEvent.fromJSON(JSON.parse(state.payloadJson)).bindings.map(({ positionId }) => positionId),
  changing: changingOf(state),
});

export const members = ({ member }: Tellers, ids: readonly string[]) => tellOf(member, 'member', ids, memberOf);
export const held = ({ role }: Tellers, memberIds: readonly string[]) => tellOf(role, 'member-roles', memberIds, heldOf);
export const roles = ({ role }: Tellers, ids: readonly string[]) => tellOf(role, 'role', ids, roleOf);

/** The policies that these roles carry. */
export function policies({ role }: Tellers, carriers: Iterable<RoleTruth>): Promise<Map<string, PolicyTruth>> {
  const ids = new Set([...carriers].flatMap(({ policyIds }) => policyIds));
  return tellOf(role, 'policy', [...ids], policyOf);
}

/** Those that are there. */
export async function groups({ group }: Tellers, ids: readonly string[]): Promise<Map<string, GroupTruth>> {
  const told = await tellOf(group, 'group', ids, (state) => (state.deleted ? undefined : groupOf(state)));
  return new Map([...told].flatMap(([id, truth]) => (truth ? [[id, truth]] : [])));
}

/**
 * Those of which Group says itself that they were deleted. Of a group that it does not know, as it is an older copy, it says nothing.
 *
 * @returns of each whether its job may still be at it
 */
export async function deletedGroups({ group }: Tellers, ids: readonly string[]): Promise<Map<string, boolean>> {
  const told = await tellOf(group, 'group', ids, (state) => (state.deleted ? changingOf(state) : undefined));
  return new Map([...told].flatMap(([id, changing]) => (changing === undefined ? [] : [[id, changing]])));
}
export const positions = ({ position }: Tellers, ids: readonly string[]) => tellOf(position, 'position', ids, positionOf);
/** By the IDs of groups and members, with a dot between. */
export const memberships = ({ group }: Tellers, ids: readonly string[]) => tellOf(group, 'membership', ids, membershipOf);
export const bindings = ({ position }: Tellers, ids: readonly string[]) => tellOf(position, 'bindings', ids, bindingsOf);

/** Which service tells of what. */
const TOLD_BY = {
  member: 'member',
  role: 'role',
  group: 'group',
  membership: 'group',
  position: 'position',
  bindings: 'position',
} as const;

/** The IDs of a page of what there is, after an ID. */
export async function idsAfter(tellers: Tellers, kind: keyof typeof TOLD_BY, afterId: string): Promise<string[]> {
  const states = await tell(tellers[TOLD_BY[kind]], kind, { afterId, limit: PAGE });
  return states.map(({ id }) => id);
}

/** The roles that no job is at. */
export async function settledRoles(tellers: Tellers): Promise<Set<string>> {
  const states = await tell(tellers.role, 'role', {});
  return new Set(states.filter((state) => !changingOf(state)).map(({ id }) => id));
}

import type { Peer } from '#platform/grpc/client.ts';
import { PAGE } from '#platform/state.ts';
import { MemberEvent } from '#proto/musubi/member/v1/member.ts';
import { MemberRolesEvent, PolicyEvent, RoleEvent } from '#proto/musubi/role/v1/role.ts';
import type { State, StateServiceService, TellStateRequest } from '#proto/musubi/state/v1/state.ts';
import type { HeldTruth, MemberTruth, PolicyTruth, RoleTruth } from './drift.ts';

/** Who tells what members and roles are. */
export interface Tellers {
  member: Pick<Peer<StateServiceService>, 'tellState'>;
  role: Pick<Peer<StateServiceService>, 'tellState'>;
}

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

export const members = ({ member }: Tellers, ids: readonly string[]) => tellOf(member, 'member', ids, memberOf);
export const held = ({ role }: Tellers, memberIds: readonly string[]) => tellOf(role, 'member-roles', memberIds, heldOf);
export const roles = ({ role }: Tellers, ids: readonly string[]) => tellOf(role, 'role', ids, roleOf);

/** The policies that these roles carry. */
export function policies({ role }: Tellers, carriers: Iterable<RoleTruth>): Promise<Map<string, PolicyTruth>> {
  const ids = new Set([...carriers].flatMap(({ policyIds }) => policyIds));
  return tellOf(role, 'policy', [...ids], policyOf);
}

/** The IDs of a page of members or roles, after an ID. */
export async function idsAfter(tellers: Tellers, kind: 'member' | 'role', afterId: string): Promise<string[]> {
  const states = await tell(tellers[kind], kind, { afterId, limit: PAGE });
  return states.map(({ id }) => id);
}

/** The roles that no job is at. */
export async function settledRoles(tellers: Tellers): Promise<Set<string>> {
  const states = await tell(tellers.role, 'role', {});
  return new Set(states.filter((state) => !changingOf(state)).map(({ id }) => id));
}

import type { MembershipChange } from '#proto/musubi/group/v1/group.ts';
import { ofMembers } from './narrowing.ts';
import { finish, pivot, type Saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, term, websocket } = services;

const BEGUN = [group.beginChangeMembership, pivot(auth.changeStandings), finish(websocket.narrowSockets, ofMembers)] as const;
const COMMITTED = finish(group.commitMembership, () => ({}));

/** How an invitation ends without the member's coming in: it does not see the group by it any more. */
export const ENDING = [...BEGUN, finish(term.setTerms, () => ({ terms: [] })), COMMITTED] as const;
/** The same, by its term. */
export const ENDING_IN_TIME = [...BEGUN, COMMITTED] as const;

type Parts =
  | typeof group.beginChangeMembership
  | typeof auth.changeStandings
  | typeof websocket.narrowSockets
  | typeof group.commitMembership;

/** Who is invited, and to which group. */
export interface Invited {
  groupId: string;
  memberId: string;
}

export async function endInvitation(
  step: Saga<Parts>['step'],
  { groupId, memberId, ...how }: Invited & { change: MembershipChange; until?: string },
  beforeItIsCommitted?: () => Promise<unknown>,
): Promise<{ id: string }> {
  const { nothingToDo } = await step(group.beginChangeMembership, { groupId, memberId, reason: '', ...how });
  if (nothingToDo) return { id: memberId };
  const changes = [{ memberId, isInvited: false, positions: undefined }];
  await step(auth.changeStandings, { groupId, changes });
  await step(websocket.narrowSockets, ofMembers(memberId));
  await beforeItIsCommitted?.();
  await step(group.commitMembership, {});
  return { id: memberId };
}

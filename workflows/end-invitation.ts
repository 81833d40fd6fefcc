import type { MembershipChange } from '#proto/musubi/group/v1/group.ts';
import type { Invited } from './invitation-term.ts';
import { ofMembers } from './narrowing.ts';
import { finish, pivot, type Saga } from './saga.ts';
import { services } from './step.ts';
import { noTerms } from './term.ts';

const { auth, group, term, websocket } = services;

const BEGUN = [group.beginChangeMembership, pivot(auth.changeStandings), finish(websocket.narrowSockets, ofMembers)] as const;
const COMMITTED = finish(group.commitMembership, () => ({}));

/** How an invitation ends without the member's coming in: it does not see the group by it any more. */
export const ENDING_INVITATION = [...BEGUN, finish(term.setTerms, noTerms), COMMITTED] as const;
/** The same, by its term. */
export const EXPIRING_INVITATION = [...BEGUN, COMMITTED] as const;

type Parts =
  | typeof group.beginChangeMembership
  | typeof auth.changeStandings
  | typeof websocket.narrowSockets
  | typeof group.commitMembership;

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

import type { MembershipChange } from '#proto/musubi/group/v1/group.ts';
import { invitationTerm } from './invitation-term.ts';
import { finish, pivot, type Saga, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, term, websocket } = services;

const BEGUN = [
  group.beginChangeMembership,
  pivot(auth.changeStandings),
  finish(websocket.narrowSockets, (memberId: string) => ({ memberId })),
] as const;
const COMMITTED = finish(group.commitMembership, () => ({}));

/** How an invitation ends without the member's coming in: it does not see the group by it any more. */
const ENDING = [...BEGUN, finish(term.setTerms, () => ({ terms: [] })), COMMITTED] as const;
/** The same, by its term. */
const ENDING_IN_TIME = [...BEGUN, COMMITTED] as const;

type Parts =
  | typeof group.beginChangeMembership
  | typeof auth.changeStandings
  | typeof websocket.narrowSockets
  | typeof group.commitMembership;

interface Invited {
  groupId: string;
  memberId: string;
}

async function endInvitation(
  step: Saga<Parts>['step'],
  { groupId, memberId, ...how }: Invited & { change: MembershipChange; until?: string },
  beforeItIsCommitted?: () => Promise<unknown>,
): Promise<{ id: string }> {
  const { nothingToDo } = await step(group.beginChangeMembership, { groupId, memberId, reason: '', ...how });
  if (nothingToDo) return { id: memberId };
  const changes = [{ memberId, isInvited: false, positions: undefined }];
  await step(auth.changeStandings, { groupId, changes, leavesNone: false });
  await step(websocket.narrowSockets, { memberId });
  await beforeItIsCommitted?.();
  await step(group.commitMembership, {});
  return { id: memberId };
}

/** A member that is invited does not come. */
export const declineInvitation = saga('group.decline-invitation', [ENDING], ({ step }, input: Invited) =>
  endInvitation(step, { ...input, change: 'MEMBERSHIP_CHANGE_DECLINE_INVITATION' }, () =>
    step(term.setTerms, { terms: [invitationTerm(input, null)] }),
  ),
);

/** An invitation is taken back. */
export const withdrawInvitation = saga('group.withdraw-invitation', [ENDING], ({ step }, input: Invited) =>
  endInvitation(step, { ...input, change: 'MEMBERSHIP_CHANGE_WITHDRAW_INVITATION' }, () =>
    step(term.setTerms, { terms: [invitationTerm(input, null)] }),
  ),
);

/** The time of an invitation is over. The system itself begins it. Another one that came in its place stays. */
export const expireInvitation = saga(
  'group.expire-invitation',
  [ENDING_IN_TIME],
  ({ step }, input: Invited & { /** Until when it was to be accepted (RFC 3339). */ until: string }) =>
    endInvitation(step, { ...input, change: 'MEMBERSHIP_CHANGE_EXPIRE_INVITATION' }),
);

import { invitationTerm } from './invitation-term.ts';
import { ofMembers } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';
import { noTerms } from './term.ts';

const { auth, group, term, websocket } = services;

export interface InviteMemberInput {
  groupId: string;
  memberId: string;
  /** Who invites. */
  byMemberId: string;
  /** Until when it can accept (RFC 3339); absent: for as long as is usual. */
  until?: string;
}

/** Invites a member to a group, which it sees from then on, until the time is over. */
export const inviteMember = saga(
  'group.invite-member',
  [
    [
      group.beginChangeMembership,
      pivot(auth.changeStandings),
      finish(websocket.narrowSockets, ofMembers),
      finish(term.setTerms, noTerms),
      finish(group.commitMembership, () => ({})),
    ],
  ],
  async ({ step }, { groupId, memberId, byMemberId: inviterId, ...given }: InviteMemberInput) => {
    const change = 'MEMBERSHIP_CHANGE_INVITE';
    const asked = { groupId, memberId, change, reason: '', inviterId, ...given } as const;
    const { until = null } = await step(group.beginChangeMembership, asked);
    const changes = [{ memberId, isInvited: true, positions: undefined }];
    await step(auth.changeStandings, { groupId, changes });
    // Policies may forbid something to who is invited.
    await step(websocket.narrowSockets, ofMembers(memberId));
    await step(term.setTerms, { terms: [invitationTerm({ groupId, memberId }, until)] });
    await step(group.commitMembership, {});
    return { id: memberId };
  },
);

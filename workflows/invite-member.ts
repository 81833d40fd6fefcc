import { invitationTerm } from './invitation-term.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, term } = services;

export interface InviteMemberInput {
  groupId: string;
  memberId: string;
  /** Who invites. */
  byMemberId: string;
  /** Until when it can accept (RFC 3339). */
  until: string;
}

/** Invites a member to a group, which it sees from then on, until the time is over. */
export const inviteMember = saga(
  'group.invite',
  [
    [
      group.beginChangeMembership,
      pivot(auth.changeStandings),
      finish(term.setTerms, () => ({ terms: [] })),
      finish(group.commitMembership, () => ({})),
    ],
  ],
  async ({ step }, { groupId, memberId, byMemberId: inviterId, until }: InviteMemberInput) => {
    const change = 'MEMBERSHIP_CHANGE_INVITE';
    await step(group.beginChangeMembership, { groupId, memberId, change, reason: '', inviterId, until });
    const changes = [{ memberId, isInvited: true, positions: undefined }];
    await step(auth.changeStandings, { groupId, changes, leavesNone: false });
    await step(term.setTerms, { terms: [invitationTerm({ groupId, memberId }, until)] });
    await step(group.commitMembership, {});
    return { id: memberId };
  },
);

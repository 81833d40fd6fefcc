import { invitationTerm } from './invitation-term.ts';
import { ofMembers } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';
import { noTerms } from './term.ts';

const { auth, group, term, websocket } = services;

export interface AcceptInvitationInput {
  groupId: string;
  memberId: string;
}

/** A member that is invited comes into a group. */
export const acceptInvitation = saga(
  'group.accept-invitation',
  [
    [
      group.beginChangeMembership,
      pivot(auth.changeStandings),
      finish(websocket.narrowSockets, ofMembers),
      finish(term.setTerms, noTerms),
      finish(group.commitMembership, () => ({})),
    ],
  ],
  async ({ step }, { groupId, memberId }: AcceptInvitationInput) => {
    await step(group.beginChangeMembership, { groupId, memberId, change: 'MEMBERSHIP_CHANGE_ACCEPT', reason: '' });
    const changes = [{ memberId, isMember: true, positions: undefined }];
    await step(auth.changeStandings, { groupId, changes });
    // Policies may forbid something to members of a group.
    await step(websocket.narrowSockets, ofMembers(memberId));
    await step(term.setTerms, { terms: [invitationTerm({ groupId, memberId }, null)] });
    await step(group.commitMembership, {});
    return { id: memberId };
  },
);

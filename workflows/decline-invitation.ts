import { ENDING_INVITATION, endInvitation } from './end-invitation.ts';
import { type Invited, invitationTerm } from './invitation-term.ts';
import { saga } from './saga.ts';
import { services } from './step.ts';

const { term } = services;

/** A member that is invited does not come. */
export const declineInvitation = saga('group.decline-invitation', [ENDING_INVITATION], ({ step }, input: Invited) =>
  endInvitation(step, { ...input, change: 'MEMBERSHIP_CHANGE_DECLINE_INVITATION' }, () =>
    step(term.setTerms, { terms: [invitationTerm(input, null)] }),
  ),
);

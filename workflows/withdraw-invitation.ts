import { ENDING_INVITATION, endInvitation } from './end-invitation.ts';
import { type Invited, invitationTerm } from './invitation-term.ts';
import { saga } from './saga.ts';
import { services } from './step.ts';

const { term } = services;

/** An invitation is taken back. */
export const withdrawInvitation = saga('group.withdraw-invitation', [ENDING_INVITATION], ({ step }, input: Invited) =>
  endInvitation(step, { ...input, change: 'MEMBERSHIP_CHANGE_WITHDRAW_INVITATION' }, () =>
    step(term.setTerms, { terms: [invitationTerm(input, null)] }),
  ),
);

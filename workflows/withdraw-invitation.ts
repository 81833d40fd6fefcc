import { ENDING, endInvitation, type Invited } from './end-invitation.ts';
import { invitationTerm } from './invitation-term.ts';
import { saga } from './saga.ts';
import { services } from './step.ts';

const { term } = services;

/** An invitation is taken back. */
export const withdrawInvitation = saga('group.withdraw-invitation', [ENDING], ({ step }, input: Invited) =>
  endInvitation(step, { ...input, change: 'MEMBERSHIP_CHANGE_WITHDRAW_INVITATION' }, () =>
    step(term.setTerms, { terms: [invitationTerm(input, null)] }),
  ),
);

import { EXPIRING_INVITATION, endInvitation } from './end-invitation.ts';
import type { Invited } from './invitation-term.ts';
import { saga } from './saga.ts';

export interface ExpireInvitationInput extends Invited {
  /** Until when it was to be accepted (RFC 3339). */
  until: string;
}

/** The time of an invitation is over. The system itself begins it. Another one that came in its place stays. */
export const expireInvitation = saga('group.expire-invitation', [EXPIRING_INVITATION], ({ step }, input: ExpireInvitationInput) =>
  endInvitation(step, { ...input, change: 'MEMBERSHIP_CHANGE_EXPIRE_INVITATION' }),
);

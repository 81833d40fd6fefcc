import { COMING, comeIn } from './come-in.ts';
import { saga } from './saga.ts';

export interface AcceptInvitationInput {
  groupId: string;
  memberId: string;
}

/** A member that is invited comes into a group. */
export const acceptInvitation = saga('group.accept-invitation', [COMING], ({ step }, input: AcceptInvitationInput) =>
  comeIn(step, { ...input, change: 'MEMBERSHIP_CHANGE_ACCEPT' }),
);

import type { Term } from '../activities/terms.ts';

/** Who is invited, and to which group. */
export interface Invited {
  groupId: string;
  memberId: string;
}

/** The term of an invitation. @param until null: it has been answered, or taken back */
export const invitationTerm = ({ groupId, memberId }: Invited, until: string | null): Term => ({
  about: `invitation/${groupId}/${memberId}`,
  until,
  command: 'group.expire-invitation',
  input: { groupId, memberId, until },
  aggregateId: memberId,
  memberId,
  summary: `Invitation of member ${memberId} to group ${groupId}`,
});

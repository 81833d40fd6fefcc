import type { Step } from '#platform/operations/postgres.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { EnterOrganisationRequest, EnterOrganisationResponse } from '#proto/musubi/group/v1/group.ts';
import { requireMemberId } from '../domain.ts';
import { membershipEvent, writtenMembership } from '../events.ts';
import { addMembership, endMembership, findMembership, holdMember } from '../memberships/memberships.ts';

/** Has a member be in the whole organisation. One that is in it already stays so, also after an undo. @throws MEMBER_DELETING */
export const enterOrganisation: Step<EnterOrganisationRequest, EnterOrganisationResponse, { memberId: string; isNew: boolean }> =
  {
    async do(tx, { memberId }) {
      requireMemberId(memberId);
      await holdMember(tx, memberId);
      const before = await findMembership(tx, ROOT, memberId);
      if (before?.joinedAt) return { result: { written: writtenMembership(before) }, kept: { memberId, isNew: false } };
      const after = await addMembership(tx, ROOT, memberId, new Date());
      return { result: { written: writtenMembership(after) }, kept: { memberId, isNew: true }, events: [membershipEvent(after)] };
    },
    async undo(tx, { memberId, isNew }) {
      const after = isNew ? await endMembership(tx, ROOT, memberId) : undefined;
      return { events: after ? [membershipEvent(after)] : [] };
    },
  };

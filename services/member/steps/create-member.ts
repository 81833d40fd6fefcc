import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CreateMemberRequest, CreateMemberResponse } from '#proto/musubi/member/v1/member.ts';
import { AT_FIRST, type Member, requireMemberId, requireNotHeldByOthers, requireOwnLogin, tidyProfile } from '../domain.ts';
import { deletedEvent, memberEvent, writtenVersion } from '../events.ts';
import { requireFitting, validatorOf } from '../member-schema.ts';
import { memberExists } from '../refusals.ts';
import { schemaOfMembers } from '../schema-store.ts';
import { findMember, insertMember, removeMember } from '../store.ts';

interface Kept {
  memberId: string;
  jobId: string;
}

/**
 * Creates the member as PENDING, held by the job until ActivateMember.
 * @throws INVALID_MEMBER, MEMBER_EXISTS
 */
export const createMember: Step<CreateMemberRequest, CreateMemberResponse, Kept> = {
  async do(tx, { operationId, memberId, ...given }) {
    requireMemberId(memberId);
    const jobId = jobOf(operationId);
    const profile = tidyProfile(given);
    requireOwnLogin(profile);
    requireFitting(profile.attributes, validatorOf(await schemaOfMembers(tx)));
    const now = new Date();
    const member: Member = {
      ...AT_FIRST,
      ...profile,
      memberId,
      lock: 'REGISTERING',
      lockHolder: jobId,
      createdAt: now,
      updatedAt: now,
    };
    if (!(await insertMember(tx, member))) throw memberExists();
    return {
      result: { written: writtenVersion(member) },
      kept: { memberId, jobId },
      events: [memberEvent('member.created', member)],
    };
  },
  /** Removes the member. IDs are never used twice, so the versions of a later member can't collide. */
  async undo(tx, { memberId, jobId }) {
    const member = await findMember(tx, memberId);
    if (!member) return;
    requireNotHeldByOthers(member, jobId);
    await removeMember(tx, memberId);
    return { events: [deletedEvent(memberId, member.version + 1)] };
  },
};

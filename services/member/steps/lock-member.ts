import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { jobOf } from '#platform/validation/id.ts';
import { freed, isHeld, type Member, type MemberLock, requireFree, requireMemberId, requireVersion } from '../domain.ts';
import { findMember, getMember, saveMember } from '../store.ts';

interface Request {
  operationId: string;
  memberId: string;
  expectedVersion?: number | undefined;
}

/** What a lock is taken with. */
interface Locking<Response> {
  /** What a later step applies. Default: nothing. */
  pendingChanges?: Member['pendingChanges'];
  result: Response;
}

interface Kept {
  memberId: string;
  jobId: string;
}

/**
 * The step by which a job takes a member: it locks it. Nothing that others can see changes, so there is no event and no new
 * version.
 *
 * @param prepare refuses what is asked, and then what is asked of that member, in the same transaction
 * @throws MEMBER_NOT_FOUND, VERSION_MISMATCH, MEMBER_DELETING; MEMBER_BUSY (retryable)
 */
export function lockMember<R extends Request, Response>(
  lock: MemberLock,
  prepare: (request: R) => (member: Member, tx: Transaction) => Locking<Response> | Promise<Locking<Response>>,
): Step<R, Response, Kept> {
  return {
    async do(tx, request) {
      const { operationId, memberId, expectedVersion } = request;
      requireMemberId(memberId);
      const locking = prepare(request);
      const jobId = jobOf(operationId);
      const member = await getMember(tx, memberId);
      requireFree(member, jobId);
      requireVersion(member, expectedVersion);
      const { pendingChanges = null, result } = await locking(member, tx);
      await saveMember(tx, { ...member, pendingChanges, lock, lockHolder: jobId });
      return { result, kept: { memberId, jobId } };
    },
    /** Lets go of the member: the row is as it was before, its time of change too. */
    async undo(tx, { memberId, jobId }) {
      const member = await findMember(tx, memberId);
      if (member && isHeld(member, lock, jobId)) await saveMember(tx, freed(member));
    },
  };
}

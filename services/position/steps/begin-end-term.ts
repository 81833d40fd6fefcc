import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type { BeginEndTermRequest, BeginEndTermResponse } from '#proto/musubi/position/v1/position.ts';
import { bindingsOf, isClosed, keepPending, lockBindings, releaseBindings, unclaimBindings } from '../bindings.ts';
import { hasTerm, requireGroupId } from '../domain.ts';
import { bindingsBusy } from '../refusals.ts';
import { takeGroupIfThere } from '../store.ts';
import { messageOf } from './begin-change-bindings.ts';

interface Kept {
  groupId: string;
  memberId: string;
  jobId: string;
}

/**
 * Begins to let a member go from a position whose term has ended, also where it is the last that leads the group. It is that term which is asked for:
 * whether it has ended is not for the clock here to say. Where it is another one by now, where the member is not bound to it any more, or is
 * being deleted, or the group is gone, nothing is begun, and that is no refusal. In any of these cases the job is not next any more, if it was
 * ({@link claimBindings}): it has what it needs, or needs nothing.
 *
 * @throws INVALID_ARGUMENT; POSITION_BUSY (retryable) while another job changes what the member is bound to there, which may be its term
 */
export const beginEndTerm: Step<BeginEndTermRequest, BeginEndTermResponse, Kept | null> = {
  async do(tx, request) {
    const { operationId, memberId, positionId, until } = request;
    const groupId = requireGroupId(request.groupId);
    requireId('memberId', memberId);
    requireId('positionId', positionId);
    const jobId = jobOf(operationId);
    const nothing = { result: { bindings: undefined }, kept: null };
    const isThere = !(await isClosed(tx, memberId)) && (await takeGroupIfThere(tx, groupId)) !== undefined;
    if (isThere && !(await lockBindings(tx, groupId, memberId, jobId))) throw bindingsBusy();
    await unclaimBindings(tx, groupId, memberId, jobId);
    if (!isThere) return nothing;
    const before = await bindingsOf(tx, groupId, memberId);
    const after = before.filter((binding) => binding.positionId !== positionId || !hasTerm(binding, new Date(until)));
    if (after.length === before.length) {
      await releaseBindings(tx, groupId, [memberId], jobId);
      return nothing;
    }
    await keepPending(tx, groupId, memberId, after);
    const ids = after.map((binding) => binding.positionId);
    return { result: { bindings: messageOf(memberId, ids) }, kept: { groupId, memberId, jobId } };
  },
  /** It is bound to what it was, and others may change it. */
  async undo(tx, kept) {
    if (kept) await releaseBindings(tx, kept.groupId, [kept.memberId], kept.jobId);
  },
};

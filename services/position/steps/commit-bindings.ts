import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CommitBindingsRequest, CommitBindingsResponse } from '#proto/musubi/position/v1/position.ts';
import { bindingsOf, pendingBindings, putBindings, releaseBindings } from '../bindings.ts';
import { type Bindings, sameBindings } from '../domain.ts';
import { bindingsEvent, writtenBindings } from '../events.ts';
import { notBegun } from '../refusals.ts';

/**
 * Does what the job has begun with what members are bound to. Auth goes by it already. Of who is bound to what it was,
 * nothing is told.
 *
 * @throws LOCK_NOT_HELD
 */
export const commitBindings: Step<CommitBindingsRequest, CommitBindingsResponse> = {
  async do(tx, { operationId }) {
    const jobId = jobOf(operationId);
    const begun = await pendingBindings(tx, jobId);
    if (begun.length === 0) throw notBegun();
    const changed: Bindings[] = [];
    for (const after of begun)
      if (!sameBindings(await bindingsOf(tx, after.groupId, after.memberId), after.bindings))
        changed.push(await putBindings(tx, after));
    for (const { groupId, memberId } of begun) await releaseBindings(tx, groupId, [memberId], jobId);
    return { result: { written: changed.map(writtenBindings) }, events: changed.map(bindingsEvent) };
  },
  undo: 'impossible',
};

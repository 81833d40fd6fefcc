import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { CommitTagRequest, CommitTagResponse } from '#proto/musubi/group/v1/group.ts';
import { membershipEvent, writtenMembership } from '../events.ts';
import { begunMembership, tagMembership } from '../memberships/memberships.ts';
import { notBegun } from '../refusals.ts';
import { groupHeldBy } from '../store.ts';
import { isSame } from '../tags/tags.ts';
import { commitGroup } from './commit-group.ts';

/** Does what the job has begun with what carries a tag. Of what carries the same as before, nothing is told. @throws LOCK_NOT_HELD */
export const commitTag: Step<CommitTagRequest, CommitTagResponse> = {
  async do(tx, { operationId }) {
    const jobId = jobOf(operationId);
    const begun = await begunMembership(tx, jobId);
    if (!begun) {
      const groupId = await groupHeldBy(tx, jobId);
      if (groupId === undefined) throw notBegun();
      return await commitGroup.do(tx, { operationId, groupId });
    }
    const { pending } = begun;
    if (!pending || !('tagIds' in pending)) throw notBegun();
    const changes = !isSame(begun.tagIds ?? [], pending.tagIds);
    const after = await tagMembership(tx, begun, pending.tagIds, changes);
    return { result: { written: writtenMembership(after) }, events: changes ? [membershipEvent(after)] : [] };
  },
  undo: 'impossible',
};

import type { Step } from '#platform/operations/postgres.ts';
import { sql, type Transaction } from '#platform/postgres/database.ts';
import { jobOf } from '#platform/validation/id.ts';
import type {
  HoldGroupRequest,
  HoldGroupResponse,
  ReleaseGroupRequest,
  ReleaseGroupResponse,
} from '#proto/musubi/group/v1/group.ts';
import { groupNotFound } from '../refusals.ts';
import { keepGroup } from '../store.ts';
import { holdTree, pathOf, requireNotArchived, requireNotHeld } from '../tree/tree.ts';

// What is changed in a group is not always Group's, as its positions are not. Who changes that holds the group meanwhile: several do at the
// same time, and who archives or deletes it, or one that it is in, waits for all of them.

/**
 * Has a group stay, and not be archived, until the job is done or undone. One that is still being made is none yet: it may be undone.
 * @throws GROUP_NOT_FOUND, GROUP_ARCHIVED; GROUP_BUSY (retryable) while another job moves, archives or deletes it, or one that it is in
 */
export const holdGroup: Step<HoldGroupRequest, HoldGroupResponse, { jobId: string }> = {
  async do(tx, { operationId, groupId }) {
    const [, group, path] = await Promise.all([holdTree(tx, 'part'), keepGroup(tx, groupId), pathOf(tx, groupId)]);
    if (!group || group.version === 0) throw groupNotFound();
    requireNotHeld(path);
    requireNotArchived(path);
    const jobId = jobOf(operationId);
    await tx.query(sql`insert into holds (job_id, group_id) values (${jobId}, ${groupId})`);
    return { result: {}, kept: { jobId } };
  },
  undo: (tx, { jobId }) => letGo(tx, jobId),
};

/** Lets go of what the job holds. */
export const releaseGroup: Step<ReleaseGroupRequest, ReleaseGroupResponse> = {
  async do(tx, { operationId }) {
    await letGo(tx, jobOf(operationId));
    return { result: {} };
  },
  undo: 'impossible',
};

async function letGo(tx: Transaction, jobId: string): Promise<void> {
  await tx.query(sql`delete from holds where job_id = ${jobId}`);
}

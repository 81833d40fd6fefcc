import type { Database } from '#platform/postgres/database.ts';
import { requireId } from '#platform/validation/id.ts';
import type { StopAdditionsRequest, StopAdditionsResponse } from '#proto/musubi/group/v1/group.ts';
import { stopAdditions as stop } from '../memberships/additions.ts';

/**
 * Has a job add nobody any more but those whose turn it is. Its saga goes on, past its pivot, and finds nothing left to do; not part of it,
 * so it has no undo.
 */
export async function stopAdditions(db: Database, { jobId }: StopAdditionsRequest): Promise<StopAdditionsResponse> {
  await stop(db, requireId('jobId', jobId));
  return {};
}

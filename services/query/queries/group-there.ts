import type { Database } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { isThere } from '../group-store.ts';
import { groupNotFound } from '../refusals.ts';

/** Whether the group is seen, who asks knows. */
export const KNOWN: Condition = { kind: { $case: 'always', value: true } };

/** Of what is not there, there is no list, rather than an empty one. @throws GROUP_NOT_FOUND, also for one that is not seen; CALLER_GONE */
export async function requireGroup(
  db: Database,
  groupId: string,
  seen: Condition | undefined,
  signal?: AbortSignal,
): Promise<void> {
  if (groupId.includes('\0') || !(await isThere(db, groupId, seen, signal))) throw groupNotFound();
}

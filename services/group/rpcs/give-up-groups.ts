import { invalidFields } from '#platform/errors.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { requireId } from '#platform/validation/id.ts';
import type { GiveUpGroupsRequest, GiveUpGroupsResponse } from '#proto/musubi/group/v1/group.ts';
import { noteDeleted } from '../tree/tree.ts';

const MOST = 100;

/**
 * Has groups that are not there pass for deleted: by this others forget them. Not part of a saga, so it has no undo.
 *
 * @throws INVALID_ARGUMENT, also for one that is there: that can be deleted
 */
export async function giveUpGroups(db: Database, { groupIds }: GiveUpGroupsRequest): Promise<GiveUpGroupsResponse> {
  if (groupIds.length === 0 || groupIds.length > MOST)
    throw invalidFields([{ field: 'groupIds', message: `must name 1 to ${MOST} groups` }]);
  for (const groupId of groupIds) requireId('groupIds', groupId);
  await db.transaction(async (tx) => {
    const [there] = await tx.query<{ groupId: string }>(sql`
      select group_id as "groupId" from groups where group_id = any(${groupIds}::text[]) limit 1`);
    if (there)
      throw invalidFields([{ field: 'groupIds', message: `must not name ${there.groupId}, which is there: it can be deleted` }]);
    await noteDeleted(
      tx,
      groupIds.map((groupId) => ({ groupId, version: 1 })),
      null,
    );
  });
  return {};
}

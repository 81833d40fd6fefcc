import { addEvents } from '#platform/operations/postgres.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { Group } from '../domain.ts';
import { groupEvent } from '../events.ts';
import { insertGroup } from '../store.ts';

/**
 * Makes sure that the whole organisation's group exists. Idempotent; not part of a saga, so it has no undo.
 *
 * @returns whether all members of before are in it
 */
export async function ensureRoot(db: Database): Promise<{ allTakenIn: boolean }> {
  const now = new Date();
  const root: Group = {
    ...{
      groupId: ROOT,
      parentId: null,
      name: 'Whole organisation',
      description: '',
      visibility: 'open',
      tags: [],
      tagIds: [],
      archivedAt: null,
    },
    ...{ version: 1, lockHolder: null, pending: null, createdAt: now, updatedAt: now },
  };
  await db.transaction(async (tx) => {
    if (await insertGroup(tx, root)) await addEvents(tx, [groupEvent('group.created', root)]);
  });
  const [taken] = await db.query(sql`select from taken_in`);
  return { allTakenIn: taken !== undefined };
}

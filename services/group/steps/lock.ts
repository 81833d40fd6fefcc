import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { jobOf } from '#platform/validation/id.ts';
import { type Above, freed, type Group, type GroupChange } from '../domain.ts';
import { groupBusy, groupNotFound, notBegun, rootGroup, versionMismatch } from '../refusals.ts';
import { dropNames, findGroup, keepName, removeGroup, saveGroup } from '../store.ts';
import { holdTree, pathOf, requireNotArchived, requireNotHeld } from '../tree/tree.ts';

/** What the undo of a beginning needs. */
export interface Kept {
  groupId: string;
  jobId: string;
}

/** How a change takes a group. */
interface Taking {
  /** Whether it holds all that is below the group, too. */
  tree: 'part' | 'whole';
  /** Whether it can be done to the whole organisation. */
  ofRoot?: boolean;
  /** Whether it can be done to what is archived. */
  ofArchived?: boolean;
}

/** What a change is begun with: the group, and the groups that it is in, itself first. */
interface Begun<Asked> {
  group: Group;
  path: Above[];
  request: Asked;
  jobId: string;
}

type Beginner<Asked, Response> = (tx: Transaction, begun: Begun<Asked>) => Promise<{ pending: GroupChange; result: Response }>;

interface AskedOfGroup {
  operationId: string;
  groupId: string;
  expectedVersion?: number | undefined;
}

/**
 * The step by which a job takes a group, with what it will make of it. Nothing that others see changes.
 *
 * @param begin refuses what is asked of that group
 * @throws GROUP_NOT_FOUND, ROOT_GROUP, GROUP_ARCHIVED, VERSION_MISMATCH; GROUP_BUSY (retryable) while another job is at it, or at one
 *   that it is in
 */
export const lockGroup =
  <Asked extends AskedOfGroup>({ tree, ofRoot = false, ofArchived = false }: Taking) =>
  <Response>(begin: Beginner<Asked, Response>): Step<Asked, Response, Kept> => ({
    async do(tx, request) {
      const { operationId, groupId, expectedVersion } = request;
      const jobId = jobOf(operationId);
      // Sent together, run in this order: one round trip.
      const [, group, path] = await Promise.all([holdTree(tx, tree), findGroup(tx, groupId), pathOf(tx, groupId, jobId)]);
      if (!group) throw groupNotFound();
      if (groupId === ROOT && !ofRoot) throw rootGroup();
      if (group.lockHolder !== null) throw groupBusy();
      requireNotHeld(path);
      if (!ofArchived) requireNotArchived(path);
      if (expectedVersion !== undefined && expectedVersion !== group.version) throw versionMismatch();
      const { pending, result } = await begin(tx, { group, path, request, jobId });
      await saveGroup(tx, { ...group, pending, lockHolder: jobId });
      return { result, kept: { groupId, jobId } };
    },
    undo: letGroupGo,
  });

/** Lets go of what a job has begun to change: it is as it was. What the job was creating is gone. */
export async function letGroupGo(tx: Transaction, { groupId, jobId }: Kept): Promise<void> {
  const group = await findGroup(tx, groupId);
  if (group?.lockHolder !== jobId) return;
  if (group.version === 0) {
    await dropNames(tx, [groupId]);
    await removeGroup(tx, groupId);
  } else {
    await keepName(tx, group);
    await saveGroup(tx, freed(group));
  }
}

/** What a job has begun with a group: the group as it will be told next, and the change. @throws GROUP_NOT_FOUND, LOCK_NOT_HELD */
export async function begunGroup(
  tx: Transaction,
  groupId: string,
  operationId: string,
): Promise<{ group: Group; pending: GroupChange }> {
  const group = await findGroup(tx, groupId);
  if (!group) throw groupNotFound();
  if (group.lockHolder !== jobOf(operationId) || !group.pending) throw notBegun();
  return { group: { ...freed(group), version: group.version + 1, updatedAt: new Date() }, pending: group.pending };
}

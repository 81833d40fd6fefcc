import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { jobOf } from '#platform/validation/id.ts';
import { freed, type Position, type PositionChange } from '../domain.ts';
import { notBegun, positionBusy, positionNotFound, versionMismatch } from '../refusals.ts';
import { findPosition, keepName, removePositions, savePosition, takeGroup } from '../store.ts';

/** What the undo of a beginning needs. */
export interface Kept {
  positionId: string;
  jobId: string;
}

/** What a step that begins to change a position is asked. */
interface Asked {
  operationId: string;
  groupId: string;
  positionId: string;
  expectedVersion?: number | undefined;
}

/** Lets go of what a job has begun to change: it is as it was. What the job was creating is gone. */
export async function letGo(tx: Transaction, { positionId, jobId }: Kept): Promise<void> {
  const position = await findPosition(tx, positionId);
  if (position?.lockHolder !== jobId) return;
  if (position.version === 0) return removePositions(tx, [positionId]);
  await keepName(tx, positionId, position.name);
  await savePosition(tx, freed(position));
}

/** A position with what the job has begun to make of it. @throws POSITION_NOT_FOUND, LOCK_NOT_HELD */
export async function begun(
  tx: Transaction,
  positionId: string,
  operationId: string,
): Promise<{ position: Position; pending: PositionChange }> {
  const position = await findPosition(tx, positionId);
  if (!position) throw positionNotFound(positionId);
  if (position.lockHolder !== jobOf(operationId) || !position.pending) throw notBegun();
  return { position: { ...freed(position), version: position.version + 1, updatedAt: new Date() }, pending: position.pending };
}

/**
 * The step by which a job takes a position, with what it will make of it. Nothing that others see changes.
 *
 * @param begin refuses what is asked of that position
 * @throws GROUP_NOT_FOUND, POSITION_NOT_FOUND, VERSION_MISMATCH; POSITION_BUSY (retryable)
 */
export const lockPosition = <Request extends Asked, Response>(
  begin: (tx: Transaction, position: Position, request: Request) => Promise<{ pending: PositionChange; result: Response }>,
): Step<Request, Response, Kept> => ({
  async do(tx, request) {
    const { operationId, groupId, positionId, expectedVersion } = request;
    const jobId = jobOf(operationId);
    await takeGroup(tx, groupId);
    const position = await findPosition(tx, positionId);
    if (position?.groupId !== groupId) throw positionNotFound(positionId);
    if (position.lockHolder !== null) throw positionBusy();
    if (expectedVersion !== undefined && expectedVersion !== position.version) throw versionMismatch();
    const { pending, result } = await begin(tx, position, request);
    await savePosition(tx, { ...position, pending, lockHolder: jobId });
    return { result, kept: { positionId, jobId } };
  },
  undo: letGo,
});

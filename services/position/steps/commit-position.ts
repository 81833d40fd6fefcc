import type { OutboxEvent, Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import type { CommitPositionRequest, CommitPositionResponse } from '#proto/musubi/position/v1/position.ts';
import type { Position, PositionChange } from '../domain.ts';
import { positionDeleted, positionEvent, writtenPosition } from '../events.ts';
import { keepName, removePositions, savePosition } from '../store.ts';
import { begun } from './lock.ts';

/**
 * Does what the job has begun with the position. Auth goes by it already.
 * @throws POSITION_NOT_FOUND, LOCK_NOT_HELD
 */
export const commitPosition: Step<CommitPositionRequest, CommitPositionResponse> = {
  async do(tx, { operationId, positionId }) {
    const { position, pending } = await begun(tx, positionId, operationId);
    const event = await apply(tx, position, pending);
    return { result: { written: writtenPosition(positionId, position.version) }, events: [event] };
  },
  undo: 'impossible',
};

async function apply(tx: Transaction, position: Position, { change, ...changes }: PositionChange): Promise<OutboxEvent> {
  const { positionId, version, groupId } = position;
  if (change === 'delete') {
    await removePositions(tx, [positionId]);
    return positionDeleted(positionId, version, groupId);
  }
  const changed: Position = { ...position, ...changes };
  await keepName(tx, positionId, changed.name);
  await savePosition(tx, changed);
  return positionEvent(change === 'create' ? 'position.created' : 'position.updated', changed);
}

import type { BeginDeletePositionRequest, BeginDeletePositionResponse } from '#proto/musubi/position/v1/position.ts';
import { usesOf } from '../bindings.ts';
import { neverDeleted, positionBusy, positionInUse } from '../refusals.ts';
import { lockPosition } from './lock.ts';

/**
 * Begins to delete a position: from then on nobody is bound to it.
 * @throws BUILT_IN, POSITION_IN_USE, and as {@link lockPosition}; POSITION_BUSY (retryable) also while a job is binding somebody to it
 */
export const beginDeletePosition = lockPosition<BeginDeletePositionRequest, BeginDeletePositionResponse>(
  async (tx, { groupId, positionId, kind }) => {
    if (kind !== null) throw neverDeleted();
    const { bound, binding } = await usesOf(tx, groupId, positionId);
    if (bound) throw positionInUse();
    if (binding) throw positionBusy();
    return { pending: { change: 'delete' }, result: {} };
  },
);

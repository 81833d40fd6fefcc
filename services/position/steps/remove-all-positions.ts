import type { Step } from '#platform/operations/postgres.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { RemoveAllPositionsRequest, RemoveAllPositionsResponse } from '#proto/musubi/position/v1/position.ts';
import { areBindingsTaken } from '../bindings.ts';
import { requireGroupId } from '../domain.ts';
import { bindingsEvent, positionDeleted, writtenBindings, writtenPosition } from '../events.ts';
import { noGroups, positionBusy } from '../refusals.ts';
import { positionsOf, takeGroups } from '../store.ts';
import { removeAll } from './add-default-positions.ts';

/** More at once would be a transaction that others feel. */
const MOST_AT_ONCE = 100;

/**
 * Removes all positions of groups that are gone, with who is bound to them. In Auth they are gone already.
 * @throws INVALID_ARGUMENT; POSITION_BUSY (retryable) while another job is at one of them, which ends, or is undone as its group is gone
 */
export const removeAllPositions: Step<RemoveAllPositionsRequest, RemoveAllPositionsResponse> = {
  async do(tx, { operationId, groupIds }) {
    if (groupIds.length === 0 || groupIds.length > MOST_AT_ONCE) throw noGroups(MOST_AT_ONCE);
    groupIds.forEach(requireGroupId);
    const jobId = jobOf(operationId);
    await takeGroups(tx, groupIds);
    const isTaken = (await positionsOf(tx, groupIds)).some(({ lockHolder }) => lockHolder !== null && lockHolder !== jobId);
    if (isTaken || (await areBindingsTaken(tx, groupIds, jobId))) throw positionBusy();
    const { positions, bindings } = await removeAll(tx, groupIds);
    const written = [
      ...positions.map(({ positionId, version }) => writtenPosition(positionId, version)),
      ...bindings.map(writtenBindings),
    ];
    return {
      result: { written, positionIds: positions.map(({ positionId }) => positionId) },
      events: [
        ...positions.map(({ positionId, version, groupId }) => positionDeleted(positionId, version, groupId)),
        ...bindings.map(bindingsEvent),
      ],
    };
  },
  undo: 'impossible',
};

import type { Step } from '#platform/operations/postgres.ts';
import { requireId } from '#platform/validation/id.ts';
import type { ListEndingRequest, ListEndingResponse } from '#proto/musubi/position/v1/position.ts';
import { endingBefore } from '../bindings.ts';

/**
 * The positions to which a member is bound until a moment: what it gives without end, it gives by none of these.
 *
 * @throws INVALID_ARGUMENT; PERMISSION_REVOKED for one that is being deleted
 */
export const listEnding: Step<ListEndingRequest, ListEndingResponse> = {
  async do(tx, { memberId }) {
    requireId('memberId', memberId);
    return { result: { positionIds: await endingBefore(tx, memberId, null) } };
  },
  undo: async () => undefined,
};

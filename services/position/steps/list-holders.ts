import type { Step } from '#platform/operations/postgres.ts';
import type { ListHoldersRequest, ListHoldersResponse } from '#proto/musubi/position/v1/position.ts';
import { holdersOf } from '../bindings.ts';

/** More are not named: whoever asks then means all members. */
const MOST = 1_000;

/**
 * All whom Auth may take for holders of a position. Whom a job lets go is among them until that job has narrowed its sockets; so is whom a job
 * binds, before Auth's step already, and who is being deleted. So, asked after a step of Auth, it misses nobody who held the position until then.
 */
export const listHolders: Step<ListHoldersRequest, ListHoldersResponse> = {
  async do(tx, { positionId }) {
    const memberIds = await holdersOf(tx, positionId, MOST + 1);
    const tooMany = memberIds.length > MOST;
    return { result: { memberIds: tooMany ? [] : memberIds, tooMany } };
  },
  undo: 'impossible',
};

import type { Step } from '#platform/operations/postgres.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { ListInsideRequest, ListInsideResponse } from '#proto/musubi/group/v1/group.ts';
import { insideOf } from '../memberships/memberships.ts';

/** More are not named: whoever asks then means all members. */
const MOST = 1_000;

/**
 * All whom Auth may take for members of a group. Who leaves by a job is among them until that job has narrowed its sockets; so is who comes in by
 * one, before Auth's step already, and who is being deleted. So, asked after a step of Auth, it misses nobody who was in the group until then.
 */
export const listInside: Step<ListInsideRequest, ListInsideResponse> = {
  async do(tx, { groupId }) {
    if (groupId === undefined) return { result: { memberIds: [], tooMany: false } };
    const memberIds = groupId === ROOT ? undefined : await insideOf(tx, groupId, MOST + 1);
    const tooMany = !memberIds || memberIds.length > MOST;
    return { result: { memberIds: tooMany ? [] : memberIds, tooMany } };
  },
  undo: 'impossible',
};

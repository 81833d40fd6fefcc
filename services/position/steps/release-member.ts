import type { Step } from '#platform/operations/postgres.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type { ReleaseMemberRequest, ReleaseMemberResponse } from '#proto/musubi/position/v1/position.ts';
import { allBindingsOf, areBindingsTakenOf, putBindings, requireClosedBy } from '../bindings.ts';
import { bindingsEvent, writtenBindings } from '../events.ts';
import { bindingsBusy, positionBusy } from '../refusals.ts';
import { positionsOf, takeGroups } from '../store.ts';

/** A binding as JSON has it. */
interface Was {
  positionId: string;
  boundAt: string;
  until: string | null;
}

interface Kept {
  memberId: string;
  before: { groupId: string; bindings: Was[] }[];
}

/**
 * Has a member that is being deleted, and that the job has closed, be bound to nothing.
 *
 * @throws LOCK_NOT_HELD; POSITION_BUSY (retryable) until what had begun before it was closed has ended
 */
export const releaseMember: Step<ReleaseMemberRequest, ReleaseMemberResponse, Kept> = {
  async do(tx, { operationId, memberId }) {
    await requireClosedBy(tx, requireId('memberId', memberId), jobOf(operationId));
    if (await areBindingsTakenOf(tx, memberId)) throw bindingsBusy();
    const before = await allBindingsOf(tx, memberId);
    const after = [];
    for (const { groupId } of before) after.push(await putBindings(tx, { groupId, memberId, bindings: [] }));
    const was = before.map(({ groupId, bindings }) => ({
      groupId,
      bindings: bindings.map(({ positionId, boundAt, until }) => ({
        positionId,
        boundAt: boundAt.toISOString(),
        until: until?.toISOString() ?? null,
      })),
    }));
    return {
      result: { written: after.map(writtenBindings) },
      kept: { memberId, before: was },
      keptOf: memberId,
      events: after.map(bindingsEvent),
    };
  },
  /** Binds it to what it was bound to, as far as that is still there. One that is just being deleted, it waits for. */
  async undo(tx, { memberId, before }) {
    const groupIds = before.map(({ groupId }) => groupId);
    await takeGroups(tx, groupIds);
    const positions = await positionsOf(tx, groupIds);
    const given = new Set(before.flatMap(({ bindings }) => bindings.map(({ positionId }) => positionId)));
    if (positions.some(({ positionId, pending }) => given.has(positionId) && pending?.change === 'delete')) throw positionBusy();
    const there = new Set(positions.map(({ positionId }) => positionId));
    const after = [];
    for (const { groupId, bindings } of before) {
      const were = bindings
        .filter(({ positionId }) => there.has(positionId))
        .map((one) => ({ ...one, boundAt: new Date(one.boundAt), until: one.until === null ? null : new Date(one.until) }));
      after.push(await putBindings(tx, { groupId, memberId, bindings: were }));
    }
    return { events: after.map(bindingsEvent) };
  },
};

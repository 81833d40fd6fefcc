import { addEvents } from '#platform/operations/postgres.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { requireId } from '#platform/validation/id.ts';
import type { RestorePositionsRequest, RestorePositionsResponse } from '#proto/musubi/position/v1/position.ts';
import { bindingsId, holdMember, lockBindings, putBindings, raiseBindings, releaseBindings } from '../bindings.ts';
import { defaultPositionId, defaultPositions, requireGroupId, tidyPosition } from '../domain.ts';
import { bindingsEvent, fromMessages } from '../events.ts';
import { bindingsBusy } from '../refusals.ts';
import { addPositions } from '../steps/add-default-positions.ts';

/** Holds what members are bound to for the time of the transaction. */
const RESTORING = 'restore';

/**
 * Makes the default positions of a group again of which nothing is known, with what Auth has of them, so that nobody gets or loses
 * anything by it. Idempotent; not part of a saga, so it has no undo. A member that is being deleted is bound, too: its deletion lets it go, or is
 * undone; and the copy may be from the middle of one.
 *
 * @throws INVALID_ARGUMENT, INVALID_POSITION; POSITION_BUSY (retryable) while a job is at what a leader is bound to there
 */
export const restorePositions = (
  db: Database,
  { groupId, positions: granted, leaderIds }: RestorePositionsRequest,
): Promise<RestorePositionsResponse> =>
  db.transaction(async (tx) => {
    requireGroupId(groupId);
    // By the store's clock, so above all that readers have: which versions there were, nobody knows any more.
    const [now] = await tx.query<{ ms: number }>(sql`select (extract(epoch from now()) * 1000)::bigint as ms`);
    const version = now?.ms ?? 1;
    const made = defaultPositions(groupId).map((position) => {
      const grant = granted.find(({ positionId }) => positionId === position.positionId);
      const { permissions = position.permissions } = tidyPosition({ permissions: fromMessages(grant?.permissions) });
      return { ...position, permissions, version };
    });
    const events = await addPositions(tx, made);
    if (events.length === 0) return { restored: false };
    const binding = { positionId: defaultPositionId(groupId, 'leader'), boundAt: new Date(), until: null };
    for (const memberId of [...new Set(leaderIds)].sort()) {
      requireId('leaderIds', memberId);
      await holdMember(tx, memberId);
      if (!(await lockBindings(tx, groupId, memberId, RESTORING))) throw bindingsBusy();
      await raiseBindings(tx, [{ type: 'bindings', id: bindingsId({ groupId, memberId }), version }]);
      events.push(bindingsEvent(await putBindings(tx, { groupId, memberId, bindings: [binding] })));
      await releaseBindings(tx, groupId, [memberId], RESTORING);
    }
    await addEvents(tx, events);
    return { restored: true };
  });

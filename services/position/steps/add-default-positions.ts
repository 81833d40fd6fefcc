import type { OutboxEvent, Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { requireId } from '#platform/validation/id.ts';
import type { AddDefaultPositionsRequest, AddDefaultPositionsResponse } from '#proto/musubi/position/v1/position.ts';
import { putBindings, removeBindings, requireFewBindings, requireNotClosed } from '../bindings.ts';
import { defaultPositionId, defaultPositions, type Position } from '../domain.ts';
import { bindingsEvent, grantOf, positionDeleted, positionEvent, writtenBindings, writtenPosition } from '../events.ts';
import { insertPosition, positionsOf, removePositions, takeName } from '../store.ts';

interface Kept {
  groupId: string;
}

/**
 * Gives a group that is being created its default positions: that of its leaders, to which who creates it is bound, and that of all its
 * members. Others know nothing of the group yet, so it is told at once.
 * @throws MEMBER_DELETING, TOO_MANY_BINDINGS for who creates it
 */
export const addDefaultPositions: Step<AddDefaultPositionsRequest, AddDefaultPositionsResponse, Kept> = {
  async do(tx, { groupId, leaderId }) {
    requireId('groupId', groupId);
    if (leaderId !== undefined) await requireNotClosed(tx, requireId('leaderId', leaderId));
    const positions = defaultPositions(groupId);
    const events = await addPositions(tx, positions);
    const written = positions.map(({ positionId, version }) => writtenPosition(positionId, version));
    if (leaderId !== undefined) {
      const binding = { positionId: defaultPositionId(groupId, 'leader'), boundAt: new Date(), until: null };
      const bound = await putBindings(tx, { groupId, memberId: leaderId, bindings: [binding] });
      await requireFewBindings(tx, leaderId);
      events.push(bindingsEvent(bound));
      written.push(writtenBindings(bound));
    }
    return { result: { written, positions: positions.map(grantOf) }, kept: { groupId }, events };
  },
  async undo(tx, { groupId }) {
    const { positions, bindings } = await removeAll(tx, [groupId]);
    return {
      events: [
        ...positions.map(({ positionId, version, groupId }) => positionDeleted(positionId, version, groupId)),
        ...bindings.map(bindingsEvent),
      ],
    };
  },
};

/** Makes those positions that are not there yet, with their names. @returns what is told of it */
export async function addPositions(tx: Transaction, positions: readonly Position[]): Promise<OutboxEvent[]> {
  const events: OutboxEvent[] = [];
  for (const position of positions) {
    if (!(await insertPosition(tx, position))) continue;
    await takeName(tx, position, position.name);
    events.push(positionEvent('position.created', position));
  }
  return events;
}

/** Removes all positions of groups, with who is bound to them. @returns both with the versions of their end */
export async function removeAll(tx: Transaction, groupIds: readonly string[]) {
  const there = await positionsOf(tx, groupIds);
  const bindings = await removeBindings(tx, groupIds);
  await removePositions(
    tx,
    there.map(({ positionId }) => positionId),
  );
  const positions = there.map(({ positionId, version, groupId }) => ({ positionId, version: version + 1, groupId }));
  return { positions, bindings };
}

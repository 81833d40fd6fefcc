import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type {
  BeginChangeBindingsRequest,
  BeginChangeBindingsResponse,
  Bindings as BindingsMessage,
  Term,
} from '#proto/musubi/position/v1/position.ts';
import { bindingsOf, hasLeaderBesides, keepPending, lockBindings, releaseBindings, requireNotClosed } from '../bindings.ts';
import { type BindingsChange, changedBindings, changedTerms, requireChange, requireGroupId } from '../domain.ts';
import { bindingsBusy, groupNotFound, nobodyIsBound, positionBusy, positionNotFound } from '../refusals.ts';
import { findGroup, positionsOf } from '../store.ts';

interface Kept {
  groupId: string;
  memberIds: string[];
  jobId: string;
}

/**
 * Begins to bind a member to positions of a group, or to let it go from some. Where by that nobody would lead the group any more, its
 * successor is bound to the position of its leaders by the same job.
 *
 * @throws INVALID_ARGUMENT, MEMBER_DELETING, GROUP_NOT_FOUND (but where a member only goes), POSITION_NOT_FOUND, BUILT_IN; POSITION_BUSY
 *   (retryable) while another job changes what one of the two is bound to there, or deletes a position
 */
export const beginChangeBindings: Step<BeginChangeBindingsRequest, BeginChangeBindingsResponse, Kept> = {
  async do(tx, request) {
    const { operationId, memberId, successorId } = request;
    const groupId = requireGroupId(request.groupId);
    requireId('memberId', memberId);
    if (successorId !== undefined) requireId('successorId', successorId);
    const change = requireChange({ ...request, until: request.until === undefined ? null : new Date(request.until) });
    const jobId = jobOf(operationId);
    for (const one of [memberId, successorId ?? memberId].sort()) await requireNotClosed(tx, one);
    const leading = await findGroup(tx, groupId);
    // Of a group that is not known here, as the store is an older copy, nothing is to be taken away: that holds up nobody who goes.
    const onlyTakesAway = change.releaseAll && change.bind.length + change.release.length === 0;
    if (leading === undefined && !onlyTakesAway) throw groupNotFound();
    await requireBindable(tx, groupId, change);
    const { before, after, terms } = await begin(tx, { groupId, memberId, jobId }, change);
    const bindings = [messageOf(memberId, after)];
    const isIn = (positionIds: readonly string[]): boolean => leading !== undefined && positionIds.includes(leading);
    const isLast = leading !== undefined && isIn(before) && !isIn(after) && !(await hasLeaderBesides(tx, leading, memberId));
    const succeeds = isLast && successorId !== undefined && successorId !== memberId;
    if (succeeds) {
      const succession = { bind: [leading], release: [], releaseAll: false, until: null };
      const begun = await begin(tx, { groupId, memberId: successorId, jobId }, succession);
      bindings.push(messageOf(successorId, begun.after));
      terms.push(...begun.terms);
    }
    // Whether that may be, Auth says: it knows who asks.
    const leavesNone = isLast && !succeeds;
    return { result: { bindings, leavesNone, terms }, kept: { groupId, memberIds: bindings.map((one) => one.memberId), jobId } };
  },
  /** All are bound to what they were, and others may change it. */
  undo: (tx, { groupId, memberIds, jobId }) => releaseBindings(tx, groupId, memberIds, jobId),
};

/** @throws POSITION_NOT_FOUND, BUILT_IN; POSITION_BUSY (retryable) for one that is being deleted */
async function requireBindable(tx: Transaction, groupId: string, { bind, release }: BindingsChange): Promise<void> {
  const there = new Map((await positionsOf(tx, [groupId])).map((position) => [position.positionId, position]));
  const missing = [...bind, ...release].filter((positionId) => !there.get(positionId)?.version);
  if (missing.length > 0) throw positionNotFound(...missing);
  if ([...bind, ...release].some((positionId) => there.get(positionId)?.kind === 'member')) throw nobodyIsBound();
  if (bind.some((positionId) => there.get(positionId)?.pending?.change === 'delete')) throw positionBusy();
}

/** Takes what a member is bound to, with what it will be. @returns the positions' IDs of both, and the terms that are others then */
async function begin(
  tx: Transaction,
  { groupId, memberId, jobId }: { groupId: string; memberId: string; jobId: string },
  change: BindingsChange,
): Promise<{ before: string[]; after: string[]; terms: Term[] }> {
  if (!(await lockBindings(tx, groupId, memberId, jobId))) throw bindingsBusy();
  const before = await bindingsOf(tx, groupId, memberId);
  const after = changedBindings(before, change);
  await keepPending(tx, groupId, memberId, after);
  const ids = (some: typeof after): string[] => some.map(({ positionId }) => positionId);
  const terms = changedTerms(before, after).map(({ positionId, until }) => ({
    ...{ groupId, memberId, positionId },
    until: until?.toISOString(),
  }));
  return { before: ids(before), after: ids(after), terms };
}

export const messageOf = (memberId: string, positionIds: string[]): BindingsMessage => ({ memberId, positionIds });

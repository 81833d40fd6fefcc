import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { jobOf, requireId } from '#platform/validation/id.ts';
import type {
  BeginChangeBindingsRequest,
  BeginChangeBindingsResponse,
  Bindings as BindingsMessage,
  Tenure,
} from '#proto/musubi/position/v1/position.ts';
import type { Term } from '#proto/musubi/term/v1/term.ts';
import {
  bindingsOf,
  endingBefore,
  keepPending,
  leadersBesides,
  lockBindings,
  releaseBindings,
  requireFewBindings,
  requireNotClosed,
} from '../bindings.ts';
import {
  type Binding,
  type BindingsChange,
  changedBindings,
  changedTerms,
  keptBindings,
  leadsUntil,
  ledUntil,
  longest,
  requireChange,
  requireGroupId,
} from '../domain.ts';
import { bindingsBusy, groupNotFound, nobodyIsBound, positionBusy, positionNotFound } from '../refusals.ts';
import { positionsOf, takeGroupIfThere } from '../store.ts';

interface Kept {
  groupId: string;
  memberIds: string[];
  jobId: string;
}

/**
 * Begins to bind a member to positions of a group, or to let it go from some. Where by that it leads the group no more, or for less long, its
 * successor is bound to the position of its leaders by the same job, for as long as it would have been.
 *
 * @throws INVALID_ARGUMENT, MEMBER_DELETING, GROUP_NOT_FOUND (but where a member only goes), POSITION_NOT_FOUND, BUILT_IN, TOO_MANY_BINDINGS;
 *   PERMISSION_REVOKED where who gives something is being deleted;
 *   POSITION_BUSY (retryable) while another job changes what one of the two is bound to there, or deletes or
 *   changes a position: by that something is given to those who hold it
 */
export const beginChangeBindings: Step<BeginChangeBindingsRequest, BeginChangeBindingsResponse, Kept> = {
  async do(tx, request) {
    const { operationId, memberId, successorId, byMemberId } = request;
    const groupId = requireGroupId(request.groupId);
    requireId('memberId', memberId);
    if (successorId !== undefined) requireId('successorId', successorId);
    if (byMemberId !== undefined) requireId('byMemberId', byMemberId);
    const change = requireChange({ ...request, until: request.until === undefined ? null : new Date(request.until) });
    const jobId = jobOf(operationId);
    for (const one of [memberId, successorId ?? memberId].sort()) await requireNotClosed(tx, one);
    const leading = await takeGroupIfThere(tx, groupId);
    // Of a group that is not known here, as the store is an older copy, nothing is to be taken away: that holds up nobody who goes.
    const onlyTakesAway = change.releaseAll && change.bind.length + change.release.length === 0;
    if (leading === undefined && !onlyTakesAway) throw groupNotFound();
    await requireBindable(tx, groupId, change);
    const its = await begin(tx, { groupId, memberId, jobId }, () => change);
    const begun = [its];
    const led = ledUntil(its.before, its.after, leading);
    const succeeds = led && successorId !== undefined && successorId !== memberId;
    if (succeeds) begun.push(await begin(tx, { groupId, memberId: successorId, jobId }, (held) => succession(held, led)));
    const others = led && (await leadersBesides(tx, led.positionId, memberId, led.until));
    const kept = begun.map(({ before, after }) => keptBindings(before, after));
    const given = longest(kept.flatMap((one) => one.given ?? []));
    const shortenedIds = kept.flatMap((one) => one.shortenedIds);
    const tenure: Tenure = {
      prolongedIds: kept.flatMap(({ prolongedIds }) => prolongedIds),
      shortens: shortenedIds.length > 0,
      ...(shortenedIds.length > 0 ? { shortened: { positionIds: shortenedIds } } : {}),
      endingSoonerIds: given && byMemberId !== undefined ? await endingBefore(tx, byMemberId, given.until) : [],
      leaders: others && { memberIds: succeeds ? [successorId, ...others] : others },
    };
    const bindings = begun.map((one) =>
      messageOf(
        one.memberId,
        one.after.map(({ positionId }) => positionId),
      ),
    );
    const terms = begun.flatMap((one) => termsOf(groupId, one));
    return { result: { bindings, tenure, terms }, kept: { groupId, memberIds: begun.map((one) => one.memberId), jobId } };
  },
  /** All are bound to what they were, and others may change it. */
  undo: (tx, { groupId, memberIds, jobId }) => releaseBindings(tx, groupId, memberIds, jobId),
};

/** What makes a member lead a group that led it until then, where it does not already for so long. */
function succession(held: readonly Binding[], { positionId, until }: Binding): BindingsChange {
  const bind = leadsUntil(held, positionId, until) ? [] : [positionId];
  return { bind, release: [], releaseAll: false, until };
}

/** @throws POSITION_NOT_FOUND, BUILT_IN; POSITION_BUSY (retryable) for one that is being changed or deleted */
async function requireBindable(tx: Transaction, groupId: string, { bind, release }: BindingsChange): Promise<void> {
  const there = new Map((await positionsOf(tx, [groupId])).map((position) => [position.positionId, position]));
  const missing = [...bind, ...release].filter((positionId) => !there.get(positionId)?.version);
  if (missing.length > 0) throw positionNotFound(...missing);
  if ([...bind, ...release].some((positionId) => there.get(positionId)?.kind === 'member')) throw nobodyIsBound();
  if (bind.some((positionId) => there.get(positionId)?.pending)) throw positionBusy();
}

interface Begun {
  memberId: string;
  before: Binding[];
  after: Binding[];
}

/** Takes what a member is bound to, with what it will be. */
async function begin(
  tx: Transaction,
  { groupId, memberId, jobId }: { groupId: string; memberId: string; jobId: string },
  changeOf: (before: readonly Binding[]) => BindingsChange,
): Promise<Begun> {
  if (!(await lockBindings(tx, groupId, memberId, jobId))) throw bindingsBusy();
  const before = await bindingsOf(tx, groupId, memberId);
  const after = changedBindings(before, changeOf(before));
  await keepPending(tx, groupId, memberId, after);
  if (after.length > before.length) await requireFewBindings(tx, memberId);
  return { memberId, before, after };
}

/** The terms that are others then. */
const termsOf = (groupId: string, { memberId, before, after }: Begun): Term[] =>
  changedTerms(before, after).map(({ positionId, until }) => ({
    ...{ groupId, memberId, positionId },
    until: until?.toISOString(),
  }));

export const messageOf = (memberId: string, positionIds: string[]): BindingsMessage => ({ memberId, positionIds });

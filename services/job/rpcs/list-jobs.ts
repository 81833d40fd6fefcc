import { z } from 'zod';
import { Turns } from '#platform/concurrency/turns.ts';
import { fromPageToken, timeInPlace, toPageToken } from '#platform/validation/page-token.ts';
import type { Job } from '../domain.ts';
import type { Filter, JobStore, Page, Position } from '../store.ts';

/** A list may look at a thousand jobs: so many are read at a time, the others wait for their turn. */
const LISTS_AT_ONCE = 4;
const LISTS_WAITING = 256;
const UNFINISHED = ['unfinished jobs'];

/** Less than callers wait, ms. */
const LONGEST_WAIT_MS = 4_000;

/** The turns of the lists of one process. */
export const turnsOfLists = (): Turns => new Turns(LISTS_AT_ONCE, { places: LISTS_WAITING, longestWaitMs: LONGEST_WAIT_MS });

/**
 * A page of a member's jobs, newest first. A page may hold fewer than `pageSize` although there is
 * a next one: when only few of many jobs match the filter. Lists take turns, member by member.
 *
 * @param pageToken empty, or the `nextPageToken` of the page before
 * @throws INVALID_ARGUMENT `PAGE_TOKEN_INVALID`; RESOURCE_EXHAUSTED `TOO_BUSY` when too many lists are asked for;
 *   CALLER_GONE once the signal has aborted
 */
export async function listJobs(
  { store, turns }: { store: JobStore; turns: Turns },
  memberId: string,
  filter: Filter,
  { pageSize, pageToken }: { pageSize: number; pageToken: string },
  signal?: AbortSignal,
): Promise<{ jobs: Job[]; nextPageToken: string }> {
  const list = ['jobs', memberId, filter.state, filter.command];
  const after = fromPageToken(list, pageToken, PLACE);
  return withToken(
    list,
    await turns.take(() => store.list(memberId, filter, after, pageSize, signal), { name: memberId, signal }),
  );
}

/**
 * A page of everybody's jobs that have not ended and that nothing was heard of for `quietMs`, the longest first.
 *
 * @param pageToken empty, or the `nextPageToken` of the page before
 * @throws INVALID_ARGUMENT `PAGE_TOKEN_INVALID`
 */
export async function listUnfinishedJobs(
  store: JobStore,
  quietMs: number,
  pageSize: number,
  pageToken: string,
): Promise<{ jobs: Job[]; nextPageToken: string }> {
  const changedBefore = (await store.now()) - quietMs;
  return withToken(UNFINISHED, await store.unfinished(changedBefore, fromPageToken(UNFINISHED, pageToken, PLACE), pageSize));
}

const withToken = (list: readonly unknown[], { jobs, next }: Page): { jobs: Job[]; nextPageToken: string } => ({
  jobs,
  nextPageToken: next ? toPageToken(list, [next.at, next.id]) : '',
});

/** When it was issued, or was heard of last, and its ID. */
const PLACE = z.tuple([timeInPlace, z.string().regex(/^[\w-]{1,64}$/)]).transform(([at, id]): Position => ({ at, id }));

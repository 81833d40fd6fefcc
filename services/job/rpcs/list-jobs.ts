import { Turns } from '#platform/concurrency/turns.ts';
import { invalidFields } from '#platform/errors.ts';
import type { Job } from '../domain.ts';
import type { Filter, JobStore, Page, Position } from '../store.ts';

/** A list may look at a thousand jobs: so many are read at a time, the others wait for their turn. */
const LISTS_AT_ONCE = 4;
const LISTS_WAITING = 256;
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
  const after = positionOf(pageToken);
  return withToken(await turns.take(() => store.list(memberId, filter, after, pageSize, signal), { name: memberId, signal }));
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
  return withToken(await store.unfinished(changedBefore, positionOf(pageToken), pageSize));
}

const withToken = ({ jobs, next }: Page): { jobs: Job[]; nextPageToken: string } => ({
  jobs,
  nextPageToken: next ? Buffer.from(`${next.at}.${next.id}`).toString('base64url') : '',
});

function positionOf(token: string): Position | undefined {
  if (token === '') return undefined;
  const [, at, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (at && id) return { at: Number(at), id };
  throw invalidFields(
    [{ field: 'pageToken', message: 'must be the nextPageToken of a page of this list' }],
    'PAGE_TOKEN_INVALID',
  );
}

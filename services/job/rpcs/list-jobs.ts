import { invalidFields } from '#platform/errors.ts';
import type { Job } from '../domain.ts';
import type { Filter, JobStore, Page, Position } from '../store.ts';

/**
 * A page of a member's jobs, newest first. A page may hold fewer than `pageSize` although there is
 * a next one: when only few of many jobs match the filter.
 *
 * @param pageToken empty, or the `nextPageToken` of the page before
 * @throws INVALID_ARGUMENT `PAGE_TOKEN_INVALID`
 */
export async function listJobs(
  store: JobStore,
  memberId: string,
  filter: Filter,
  pageSize: number,
  pageToken: string,
): Promise<{ jobs: Job[]; nextPageToken: string }> {
  return withToken(await store.list(memberId, filter, positionOf(pageToken), pageSize));
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

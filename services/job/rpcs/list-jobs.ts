import { invalidFields } from '#platform/errors.ts';
import type { Job } from '../domain.ts';
import type { Filter, JobStore, Position } from '../store.ts';

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
  const { jobs, next } = await store.list(memberId, filter, pageToken ? parsePageToken(pageToken) : undefined, pageSize);
  return { jobs, nextPageToken: next ? pageTokenOf(next) : '' };
}

function pageTokenOf({ createdAt, id }: Position): string {
  return Buffer.from(`${createdAt}.${id}`).toString('base64url');
}

function parsePageToken(token: string): Position {
  const [, createdAt, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (createdAt && id) return { createdAt: Number(createdAt), id };
  throw invalidFields(
    [{ field: 'pageToken', message: 'must be the nextPageToken of a page of this list' }],
    'PAGE_TOKEN_INVALID',
  );
}

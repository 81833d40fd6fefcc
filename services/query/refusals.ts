import { deadlineExceeded, invalidFields, type MusubiError, notFound, resourceExhausted } from '#platform/errors.ts';
import type { CodeOf } from '#platform/problems.ts';

const refuse = (field: string, message: string, code: CodeOf<'INVALID_ARGUMENT'> = 'INVALID_ARGUMENT'): MusubiError =>
  invalidFields([{ field, message }], code);

export const invalidPageToken = (): MusubiError =>
  refuse('pageToken', 'must be the nextPageToken of a page of the same query', 'PAGE_TOKEN_INVALID');

export const invalidWait = (most: number): MusubiError => refuse('waitMs', `must be 0 to ${most}`);

export const invalidVersions = (message: string): MusubiError => refuse('versions', message);

export const memberNotFound = (): MusubiError => notFound('MEMBER_NOT_FOUND');

export const notVisibleYet = (): MusubiError => deadlineExceeded('NOT_VISIBLE_YET');

export const searchTooSlow = (cause: unknown): MusubiError =>
  resourceExhausted('TOO_BUSY', 'the search took too long; try again in a moment, or with longer words', {
    retryAfterSeconds: 1,
    cause,
  });

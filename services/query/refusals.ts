import { deadlineExceeded, invalidFields, type MusubiError, notFound, resourceExhausted } from '#platform/errors.ts';

const refuse = (field: string, message: string): MusubiError => invalidFields([{ field, message }]);

export const invalidWait = (most: number): MusubiError => refuse('waitMs', `must be 0 to ${most}`);

export const invalidVersions = (message: string): MusubiError => refuse('versions', message);

/** What is found by words has an order of its own. */
export const ordersItself = (): MusubiError =>
  refuse('orderBy', 'must be left out together with query: what is found has an order of its own');

export const memberNotFound = (): MusubiError => notFound('MEMBER_NOT_FOUND');
export const roleNotFound = (): MusubiError => notFound('ROLE_NOT_FOUND');
export const policyNotFound = (): MusubiError => notFound('POLICY_NOT_FOUND');
export const groupNotFound = (): MusubiError => notFound('GROUP_NOT_FOUND');
export const positionNotFound = (): MusubiError =>
  notFound('POSITION_NOT_FOUND', undefined, {
    fields: [{ field: 'positionId', code: 'NOT_FOUND', message: 'is not the ID of a position of the group' }],
  });

export const roomNotFound = (): MusubiError => notFound('ROOM_NOT_FOUND');

/** A history is read from one place in one direction. */
export const beforeAndAfter = (): MusubiError => refuse('after', 'must be left out together with before');

export const notVisibleYet = (): MusubiError => deadlineExceeded('NOT_VISIBLE_YET');

export const searchTooSlow = (cause: unknown): MusubiError =>
  resourceExhausted('TOO_BUSY', 'the search took too long; try again in a moment, or with longer words', {
    retryAfterSeconds: 1,
    cause,
  });

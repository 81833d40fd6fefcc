import { alreadyExists, failedPrecondition, notFound, permissionDenied } from '#platform/errors.ts';
import { LOGINS_HELD } from './domain.ts';

export const loginNotFound = () => notFound('LOGIN_NOT_FOUND', 'the member has no login');

export const loginTaken = () =>
  alreadyExists('LOGIN_TAKEN', 'the login is taken', { fields: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }] });

/** @param until when the first of the names that are held for the member is free */
export const tooManyRenames = (until: Date) =>
  failedPrecondition(
    'TOO_MANY_RENAMES',
    `the member gave up ${LOGINS_HELD} logins of late, which are kept for it; it can take one of them, or another from ${until.toISOString()} on`,
    { fields: [{ field: 'loginId', message: 'was changed too often of late' }] },
  );

export const loginSuspended = () => permissionDenied('LOGIN_SUSPENDED', 'the login is closed, as its member is suspended');

/** What a step needs an open login for: LOGIN_SUSPENDED is for who logs in. */
export const loginClosed = () => failedPrecondition('LOGIN_CLOSED');

export const loginNotSuspended = () =>
  failedPrecondition('LOGIN_NOT_SUSPENDED', 'a login must be suspended before its sessions end, or it is removed');

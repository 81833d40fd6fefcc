import { alreadyExists, notFound } from '#platform/errors.ts';

export const loginNotFound = (memberId: string) => notFound('LOGIN_NOT_FOUND', `member ${memberId} has no login`);

export const loginTaken = () =>
  alreadyExists('LOGIN_TAKEN', 'the login is taken', { fields: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }] });

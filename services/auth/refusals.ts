import { alreadyExists, failedPrecondition, notFound, permissionDenied, unauthenticated } from '#platform/errors.ts';
import { DEEPEST } from '#platform/validation/group-fields.ts';

export const loginNotFound = () => notFound('LOGIN_NOT_FOUND', 'the member has no login');

export const loginTaken = () =>
  alreadyExists('LOGIN_TAKEN', 'the login is taken', {
    fields: [{ field: 'loginId', code: 'TAKEN', message: 'is taken; choose another' }],
  });

/** @param until when the first of the `held` names that are held for the member is free */
export const tooManyRenames = (held: number, until: Date) =>
  failedPrecondition(
    'TOO_MANY_RENAMES',
    `the member gave up ${held} logins of late, which are kept for it; it can take one of them, or another from ${until.toISOString()} on`,
    { fields: [{ field: 'loginId', message: 'was changed too often of late' }] },
  );

export const renamedTooOften = (seconds: number) =>
  failedPrecondition('RENAMED_TOO_OFTEN', `the login was changed too often; it can be changed again in ${seconds} seconds`, {
    fields: [{ field: 'loginId', message: 'was changed too often' }],
    retryAfterSeconds: seconds,
  });

export const holdNotFound = () => notFound('HOLD_NOT_FOUND');

export const loginSuspended = () => permissionDenied('LOGIN_SUSPENDED', 'the login is closed, as its member is suspended');

/** @param isTooLong whether it would do for less long, which who asks can say by `until` */
export const exceedsOwn = (isTooLong = false) =>
  isTooLong
    ? permissionDenied('EXCEEDS_OWN_PERMISSIONS', 'who asks for this holds less long what the position permits', {
        fields: [{ field: 'until', message: 'must be no later than what allows who asks to give this ends' }],
      })
    : permissionDenied('EXCEEDS_OWN_PERMISSIONS');

export const groupNotFound = () => notFound('GROUP_NOT_FOUND', 'there is no such group');
export const positionNotFound = () => notFound('POSITION_NOT_FOUND', 'the group has no such position');
export const memberNotFound = () => notFound('MEMBER_NOT_FOUND', 'there is no such member');
export const notMember = () => failedPrecondition('NOT_MEMBER', 'the member is not in the group');
/** @param how whether somebody `leaves`, or another one puts it out: then a successor can be named; or it `stays` in the group */
export const lastLeader = (how: 'leaves' | 'is put out' | 'stays') => {
  const ways = {
    leaves: 'name a successor who is in it, or delete the group',
    'is put out': 'name a successor who is in it, or leave it to who may have that one lead for as long, or to an administrator',
    stays:
      'bind another member to the position of its leaders first, for as long as that one is (without end, where it has none); what you hold less long yourself, leave to who holds it for as long, or to an administrator',
  };
  const successor = { field: 'successorId', message: 'must be of another one who is in the group, and is not suspended' };
  return failedPrecondition(
    'LAST_LEADER',
    `nobody would lead the group any more, or not for as long as now: ${ways[how]}`,
    how === 'stays' ? {} : { fields: [successor] },
  );
};
export const mayNotShorten = (action: string) =>
  permissionDenied('PERMISSION_DENIED', `to have it end sooner than now needs the permission ${action}`);
export const mayNotLessenLeaders = () =>
  permissionDenied(
    'PERMISSION_DENIED',
    'what its leaders may do is taken from them by who leads the group and may do it, too, for as long as they do, or by an administrator',
  );
export const groupCycle = () =>
  failedPrecondition('GROUP_CYCLE', 'a group can not be in itself, or in one that is below it', {
    fields: [{ field: 'parentId', message: 'must be of a group that is not below it' }],
  });
export const groupTooDeep = () =>
  failedPrecondition('GROUP_TOO_DEEP', `groups can be ${DEEPEST} deep, that of the whole organisation counted`, {
    fields: [{ field: 'parentId', message: 'must be of a group that is less deep' }],
  });

export const passwordRefInvalid = () =>
  failedPrecondition('PASSWORD_REF_INVALID', 'the staged password is not there: it was used or is too old');

export const sessionRevoked = () => unauthenticated('SESSION_REVOKED');

export const permissionRevoked = () =>
  permissionDenied(
    'PERMISSION_REVOKED',
    'what allowed this was taken away, or is not what it was, before it was done: nothing was changed; it may be asked for again',
  );

/** What a step needs an open login for: LOGIN_SUSPENDED is for who logs in. */
export const loginClosed = () => failedPrecondition('LOGIN_CLOSED');

export const loginNotSuspended = () =>
  failedPrecondition('LOGIN_NOT_SUSPENDED', 'a login must be suspended before its sessions end, or it is removed');

import { JOB_HAS_ENDED, type ProblemKind } from './kind.ts';

/** What commands and queries of members can be refused for. */
export const MEMBERS = {
  INVALID_MEMBER: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A field of the member breaks a rule.',
    remedy: 'Mend the fields that `errors` names.',
  },
  INVALID_MEMBER_SCHEMA: {
    status: 'INVALID_ARGUMENT',
    meaning: 'What was given is no JSON Schema that members can be held to.',
    remedy: 'Mend what `errors` names; references, and patterns that need look-around, can not be used.',
  },
  MEMBER_SCHEMA_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing the schema of members, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  WEAK_PASSWORD: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The password is too short, too long or one of the most common.',
    remedy: 'Choose another password; `errors` says what is wrong with this one.',
  },
  CURRENT_PASSWORD_WRONG: {
    status: 'PERMISSION_DENIED',
    meaning: 'The current password is wrong, so it is not changed.',
    remedy: 'Check it; after some failures the next try is refused for a time, also at the login.',
  },
  PASSWORD_UNCHANGED: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The new password is the current one.',
    remedy: 'Choose another password.',
  },
  PASSWORD_CHANGED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The password was changed by another command after the current one was looked at.',
    remedy: 'Send the command again with a new Idempotency-Key, and with the password as it is now.',
  },
  LOGIN_TAKEN: {
    status: 'ALREADY_EXISTS',
    meaning: 'Somebody has this login, or gave it up some time ago.',
    remedy: 'Choose another loginId.',
  },
  TOO_MANY_RENAMES: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member changed its login so often of late that no further name can be kept for it.',
    remedy:
      'Take one of the former names back, have an administrator release one (`GET /v1/login-holds`), or wait: a name is kept for 30 days, unless the operator says otherwise, and `detail` says when the first one is free.',
  },
  RENAMED_TOO_OFTEN: {
    status: 'FAILED_PRECONDITION',
    http: 429,
    meaning: 'The login of the member was changed too often within a short time.',
    remedy: `Wait for as long as Retry-After, or \`detail\`, says; ${JOB_HAS_ENDED}`,
  },
  HOLD_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'No login is held under this ID: it was released, taken back, or held for long enough.',
    remedy: 'List the holds again.',
  },
  LOGIN_NOT_FOUND: {
    status: 'NOT_FOUND',
    http: 409,
    meaning:
      'The member has no login, so it can not be given another; its login was lost with data that the system no longer has.',
    remedy: 'Delete the member and register it again, or have the operator restore the data of the Auth service.',
  },
  PASSWORD_REF_INVALID: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The password of the command was not kept long enough, or was used.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  MEMBER_NOT_FOUND: { status: 'NOT_FOUND', meaning: 'There is no such member.', remedy: 'Check the ID.' },
  MEMBER_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing this member, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  MEMBER_DELETING: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is being deleted, so nothing else is begun with it.',
    remedy: 'Read the member: it is gone soon, unless its deletion is undone.',
  },
  MEMBER_SUSPENDED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is suspended already.',
    remedy: 'Nothing needs to be done; for another reason, reinstate the member and suspend it again.',
  },
  MEMBER_NOT_SUSPENDED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is not suspended, so it can not be reinstated.',
    remedy: 'Nothing needs to be done.',
  },
  SELF_SUSPENSION: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Members can not suspend themselves.',
    remedy: 'Let another administrator do it.',
  },
  LAST_ADMIN: {
    status: 'FAILED_PRECONDITION',
    meaning:
      'This would leave nobody who has the role of an administrator, can log in, and is forbidden nothing by another role.',
    remedy: 'Keep this member as it is; it may go, or be forbidden something, once another such one has the role `admin`.',
  },
} as const satisfies Record<string, ProblemKind>;

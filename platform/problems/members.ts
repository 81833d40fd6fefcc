import type { ProblemKind } from './kind.ts';

/** What commands and queries of members can be refused for. */
export const MEMBERS = {
  INVALID_MEMBER: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A field of the member breaks a rule.',
    remedy: 'Mend the fields that `errors` names.',
  },
  WEAK_PASSWORD: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The password is too short, too long or one of the most common.',
    remedy: 'Choose another password; `errors` says what is wrong with this one.',
  },
  LOGIN_TAKEN: {
    status: 'ALREADY_EXISTS',
    meaning: 'Somebody has this login, or gave it up a short time ago.',
    remedy: 'Choose another loginId.',
  },
  TOO_MANY_RENAMES: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member changed its login so often of late that no further name can be kept for it.',
    remedy:
      'Take one of the former names back, or wait: a name is kept for 7 days, and `detail` says when the first one is free.',
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
  ROLE_NOT_FOUND: { status: 'NOT_FOUND', meaning: 'There is no such role.', remedy: 'Check the ID.' },
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
    meaning: 'Nobody can suspend itself.',
    remedy: 'Let another administrator do it.',
  },
  LAST_ADMIN: {
    status: 'FAILED_PRECONDITION',
    meaning: 'This would leave nobody who has the role of an administrator and can log in.',
    remedy: 'Keep this member as it is; it may go once another one who can log in has the role `admin`.',
  },
} as const satisfies Record<string, ProblemKind>;

import type { ProblemKind } from './kind.ts';

/** Answers between services: without a remedy, as no client sees them. */
export const INTERNAL_ONLY = {
  CLIENT_LEFT: { status: 'CANCELLED', meaning: 'The client left before it was answered.' },
  CALLER_UNKNOWN: { status: 'UNAUTHENTICATED', meaning: 'The caller has not proved that it is a program of this deployment.' },
  CALLER_NOT_ALLOWED: { status: 'PERMISSION_DENIED', meaning: 'The caller is a program that may not call this method.' },
  OPERATION_UNDONE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The step was undone before it arrived, so it is not done any more.',
  },
  UNDO_EXPIRED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'What the undo needs is no longer kept.',
  },
  UNDO_IMPOSSIBLE: { status: 'FAILED_PRECONDITION', meaning: 'The step has no undo.' },
  LOCK_NOT_HELD: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The step needs a lock that its job does not hold.',
  },
  JOB_BUSY: { status: 'ABORTED', meaning: 'The job is being changed by others.' },
  JOB_STATE_CONFLICT: {
    status: 'FAILED_PRECONDITION',
    meaning: 'What was undone was called done, or the reverse.',
  },
  JOB_NOT_FINISHED: { status: 'UNAVAILABLE', meaning: 'The job did not end in time.' },
  LOGIN_EXISTS: { status: 'ALREADY_EXISTS', meaning: 'The member has a login already.' },
  LOGIN_CLOSED: { status: 'FAILED_PRECONDITION', meaning: 'The login is closed, so it is given no roles.' },
  LOGIN_NOT_SUSPENDED: { status: 'FAILED_PRECONDITION', meaning: 'The login is open.' },
  LOGIN_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is at the login: it was taken before it was given back, or its password is being changed.',
  },
  MEMBER_EXISTS: { status: 'ALREADY_EXISTS', meaning: 'A member with this ID exists already.' },
  ROLE_TOO_OLD: { status: 'UNAVAILABLE', meaning: 'The release of Role that answers is too old for this.' },
  INVALID_EVENT: {
    status: 'INVALID_ARGUMENT',
    meaning: 'An event is not what the contract says.',
  },
  EVENT_TOO_LARGE: { status: 'INTERNAL', meaning: 'An event is larger than a broker takes.' },
  NOT_VISIBLE_YET: {
    status: 'DEADLINE_EXCEEDED',
    meaning: 'Queries do not show a change yet; they will.',
  },
  CALLER_GONE: { status: 'DEADLINE_EXCEEDED', meaning: 'The caller stopped waiting.' },
} as const satisfies Record<string, ProblemKind>;

import { type ProblemKind, TELL_OPERATOR } from './kind.ts';

/** What becomes of commands, and what can be asked of them. */
export const JOBS = {
  JOB_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'There is no such job, it has expired, or it is not yours to see.',
    remedy: 'Check the ID; ended jobs are kept until their expiresAt.',
  },

  JOB_FINISHED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The job has ended, or is past the point from which it can be undone.',
    remedy: 'Send a command that reverses what was done.',
  },
  JOB_NOT_STARTED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The command of the job has not started, so there is nothing to cancel.',
    remedy: 'Repeat its command with its Idempotency-Key, or let the job expire.',
  },
  JOB_INTERRUPTED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The command of the job was interrupted, and goes on or is undone only when an operator sees to it.',
    remedy: TELL_OPERATOR,
  },
  JOB_LOST: {
    status: 'UNAVAILABLE',
    meaning: 'The record of how far the command was is lost; what it had done is undone.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  JOB_CANCELLED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The command that was waited for was cancelled, and is undone.',
    remedy: 'Send the command again if it is still wanted.',
  },
  LINE_CANCELLED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The command was cancelled before the turn of this line had come.',
    remedy: 'Send the command again with the lines that are still wanted.',
  },
  JOB_FAILED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The command failed, and is undone.',
    remedy: TELL_OPERATOR,
  },
  NOT_STARTED: {
    status: 'UNAVAILABLE',
    meaning: 'The command could not be started; nothing was changed.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },

  TOO_MANY_JOBS: {
    status: 'RESOURCE_EXHAUSTED',
    meaning:
      'As many commands as are allowed are under way for the member, or for what they change; or the member has sent too many of late.',
    remedy: 'Wait for as long as Retry-After says, and until one of those under way has ended.',
  },
} as const satisfies Record<string, ProblemKind>;

import { JOB_HAS_ENDED, type ProblemKind, TELL_OPERATOR, TRY_AGAIN } from './kind.ts';

/** What the system itself can not do now, or not for so many. */
export const SYSTEM = {
  TOO_MANY_ATTEMPTS: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'Too many wrong passwords were given, for this login, from this address, or both.',
    remedy: 'Wait for as long as Retry-After says. A device that has logged in before has tries of its own.',
  },
  TOO_BUSY: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'Too many ask for this at the same time.',
    remedy: TRY_AGAIN,
  },
  SERVICE_UNAVAILABLE: {
    status: 'UNAVAILABLE',
    meaning: 'A service that is needed for this is away. If a command failed of it, it is undone.',
    remedy: TRY_AGAIN,
  },
  SERVICE_TIMEOUT: {
    status: 'DEADLINE_EXCEEDED',
    meaning: 'A service that is needed for this did not answer in time; whether it did the work is open.',
    remedy: `Send the same request again, a command with the same Idempotency-Key; ${JOB_HAS_ENDED}`,
  },
  STORE_UNAVAILABLE: {
    status: 'UNAVAILABLE',
    meaning: 'A database that is needed for this is away, full or read-only.',
    remedy: TRY_AGAIN,
  },
  STORE_FULL: {
    status: 'UNAVAILABLE',
    meaning: 'A database that is needed for this has no room, and takes no writes until it has.',
    remedy: TRY_AGAIN,
  },
  STORE_CONFLICT: {
    status: 'ABORTED',
    meaning: 'Somebody else changed the same at the same time.',
    remedy: TRY_AGAIN,
  },
  SOCKETS_OPEN: {
    status: 'UNAVAILABLE',
    meaning:
      'The session has ended, and its tokens are refused; but its open sockets could not be reached. They are closed within half a minute.',
    remedy: 'There is nothing to repeat. Whoever must know that its sockets are closed waits for half a minute.',
  },
  TEMPORAL_UNAVAILABLE: {
    status: 'UNAVAILABLE',
    meaning: 'Commands can not be started now.',
    remedy: TRY_AGAIN,
  },
  INTERNAL: { status: 'INTERNAL', meaning: 'This failed on a defect of ours.', remedy: TELL_OPERATOR },
} as const satisfies Record<string, ProblemKind>;

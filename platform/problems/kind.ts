import type { status } from '@grpc/grpc-js';

/** What is known of a code. */
export interface ProblemKind {
  /** The gRPC status (https://grpc.io/docs/guides/status-codes/) that the code always comes with. */
  status: keyof typeof status;
  /** The HTTP status, where HTTP has one of its own for it; default: it follows from `status`. */
  http?: number;
  /** What happened, in one sentence. */
  meaning: string;
  /** What the client can do about it, in one sentence. Absent: it is an answer between services, and no client sees it. */
  remedy?: string;
}

export const LOG_IN_AGAIN = 'Log in again (POST /v1/auth/login).';
/** A job may end with what may pass by itself; its key then leads to that job for ever. */
export const JOB_HAS_ENDED = 'where `instance` names a job, that job has ended: send the command with a new Idempotency-Key.';
export const TRY_AGAIN = `Send the same request again, after Retry-After where it is given; ${JOB_HAS_ENDED}`;
export const TELL_OPERATOR = "Tell the operator of the system, with the problem's traceId.";

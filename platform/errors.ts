import { status } from '@grpc/grpc-js';

/** What is wrong with one field of a request. `field` is its path: `email`, `policies[0].name`. */
export interface FieldViolation {
  field: string;
  message: string;
}

/** The gRPC codes that mean "try again later", and nothing about the request itself. */
const RETRYABLE: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.RESOURCE_EXHAUSTED,
]);

/** What an error says besides its code and its message. */
export interface ErrorDetails {
  fields?: readonly FieldViolation[];
  /** The same call has no chance before that many seconds have passed; a whole number. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/**
 * The one error of the system: what every layer throws, and what the wire formats are made of.
 *
 * On gRPC it is a status with `google.rpc.ErrorInfo` (reason = `code`), `BadRequest` and `RetryInfo` details;
 * on HTTP an RFC 9457 problem with `Retry-After`; in a workflow an ApplicationFailure whose type is `code`.
 * The cause stays inside the process: it is logged, never sent.
 */
export class MusubiError extends Error {
  /** A stable upper-case word that clients may rely on: `LOGIN_TAKEN`. */
  readonly code: string;
  readonly grpcStatus: status;
  readonly fields: readonly FieldViolation[];
  /** Undefined: the error does not say when to try again. */
  readonly retryAfterSeconds: number | undefined;

  constructor(grpcStatus: status, code: string, message: string, { fields = [], retryAfterSeconds, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'MusubiError';
    this.code = code;
    this.grpcStatus = grpcStatus;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** Whether the same call may succeed later; if not, it is a refusal. */
  get retryable(): boolean {
    return RETRYABLE.has(this.grpcStatus);
  }
}

const make =
  (grpcStatus: status) =>
  (code: string, message: string, details?: ErrorDetails): MusubiError =>
    new MusubiError(grpcStatus, code, message, details);

/** The request itself is malformed (400). Give `fields`. */
export const invalidArgument = make(status.INVALID_ARGUMENT);
/** No, wrong, expired or revoked credentials (401). */
export const unauthenticated = make(status.UNAUTHENTICATED);
/** Known, but not allowed (403). */
export const permissionDenied = make(status.PERMISSION_DENIED);
export const notFound = make(status.NOT_FOUND);
/** Something of that name or ID is there already (409). */
export const alreadyExists = make(status.ALREADY_EXISTS);
/** A rule of the business forbids it in the present state (409; 412 for VERSION_MISMATCH, 422 for IDEMPOTENCY_KEY_REUSED). */
export const failedPrecondition = make(status.FAILED_PRECONDITION);
/** Somebody else is at it; the same call may succeed later (409). */
export const aborted = make(status.ABORTED);
/** Too many, or too much at once (429). Give `retryAfterSeconds`. */
export const resourceExhausted = make(status.RESOURCE_EXHAUSTED);
/** A server that is needed is away (503). */
export const unavailable = make(status.UNAVAILABLE);
export const deadlineExceeded = make(status.DEADLINE_EXCEEDED);
/** A store can't be reached, or takes no work of ours: it says nothing about the request (503). */
export const storeUnavailable = (cause: unknown): MusubiError =>
  unavailable('STORE_UNAVAILABLE', 'the store cannot be used at the moment', { cause });
/** A store has no room, on its disk or in its memory, and takes no writes until there is (503). */
export const storeFull = (cause: unknown): MusubiError =>
  unavailable('STORE_FULL', 'the store is full, and takes no writes until it has room again', { cause });
/** A defect of ours (500). */
export const internal = make(status.INTERNAL);

/** An error's words, with those of its cause: that a store is away is known by then, and why is what operators ask. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** The `code` of errors by which Node says that a server can't be reached. */
export const SOCKET_ERRORS: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

import { status } from '@grpc/grpc-js';
import { type CodeOf, clientCode, type FieldCode, type ProblemCode, problemKind } from './problems.ts';

/** Where a field of an HTTP request stands. */
export const FIELD_PLACES = ['body', 'query', 'path', 'header'] as const;
export type FieldPlace = (typeof FIELD_PLACES)[number];

/** What is wrong with one field of a request. `field` is its path: `email`, `policies[0].name`; empty: the whole. */
export interface FieldViolation {
  field: string;
  /** In words that follow the field's name: `must have at most 64 characters`, `is taken`. */
  message: string;
  /** Known to the gateway only, which finds it by the route for what services refuse; never sent between services. */
  in?: FieldPlace;
  /** What kind of wrong; default: INVALID. */
  code?: FieldCode;
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
  /** The message tells of the inside (addresses, sockets): clients see what the code means instead. */
  forOperators?: boolean;
  cause?: unknown;
}

/** A text as a whole sentence: it begins with a capital letter and ends with a stop. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return begun === '' || /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/**
 * The one error of the system: what every layer throws, and what the wire formats are made of.
 * Its message is made a whole sentence.
 *
 * On gRPC it is a status with `google.rpc.ErrorInfo` (reason = `code`), `BadRequest` and `RetryInfo` details;
 * on HTTP an RFC 9457 problem with `Retry-After`; in a workflow an ApplicationFailure whose type is `code`.
 * The cause stays inside the process: it is logged, never sent.
 */
export class MusubiError extends Error {
  /** A stable upper-case word that clients may rely on, of the catalogue in `problems.ts`. */
  readonly code: ProblemCode;
  readonly grpcStatus: status;
  readonly fields: readonly FieldViolation[];
  /** Undefined: the error does not say when to try again. */
  readonly retryAfterSeconds: number | undefined;
  readonly forOperators: boolean;

  constructor(grpcStatus: status, code: ProblemCode, message: string, details: ErrorDetails = {}) {
    const { fields = [], retryAfterSeconds, forOperators = false, cause } = details;
    super(forOperators ? message : sentence(message), cause === undefined ? undefined : { cause });
    this.name = 'MusubiError';
    this.code = code;
    this.grpcStatus = grpcStatus;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds;
    this.forOperators = forOperators;
  }

  /** What a client sees: what is nearest to a code between services, and what it means in place of words for operators. */
  get told(): { code: ProblemCode; message: string } {
    const code = clientCode(this.code, status[this.grpcStatus] ?? '');
    const hidden = this.forOperators || code === 'INTERNAL' || code !== this.code;
    return { code, message: hidden ? problemKind(code).meaning : this.message };
  }

  /** Whether the same call may succeed later; if not, it is a refusal. */
  get retryable(): boolean {
    return RETRYABLE.has(this.grpcStatus);
  }
}

/** @returns makes an error of that status. Its message, where none is given, is what the catalogue says that its code means */
const make =
  <S extends keyof typeof status>(name: S) =>
  (code: CodeOf<S>, message = problemKind(code).meaning, details?: ErrorDetails): MusubiError =>
    new MusubiError(status[name], code, message, details);

/** The request itself is malformed (400). Give `fields`. */
export const invalidArgument = make('INVALID_ARGUMENT');
/** Fields of the request are wrong (400): the message says of the first what, and how many more there are. */
export function invalidFields(fields: readonly FieldViolation[], code: CodeOf<'INVALID_ARGUMENT'> = 'INVALID_ARGUMENT') {
  const [first] = fields;
  const more = fields.length > 1 ? `, and ${fields.length - 1} more` : '';
  const what = first ? `: ${nameOf(first)} ${first.message}${more}` : '';
  return invalidArgument(code, `the request is not valid${what}`, { fields });
}

function nameOf({ in: place, field }: FieldViolation): string {
  if (field === '') return `the ${place ?? 'whole'}`;
  if (place === 'header') return `the header ${field}`;
  return place === 'query' ? `the parameter ${field}` : field;
}
/** No, wrong, expired or revoked credentials (401). */
export const unauthenticated = make('UNAUTHENTICATED');
/** Known, but not allowed (403). */
export const permissionDenied = make('PERMISSION_DENIED');
export const notFound = make('NOT_FOUND');
/** Something of that name or ID is there already (409). */
export const alreadyExists = make('ALREADY_EXISTS');
/** A rule of the business forbids it in the present state (409; 412 for VERSION_MISMATCH, 422 for IDEMPOTENCY_KEY_REUSED). */
export const failedPrecondition = make('FAILED_PRECONDITION');
/** Another changes the same now; the same call may succeed later (409). */
export const aborted = make('ABORTED');
/** Too many, or too much at once (429). Give `retryAfterSeconds`. */
export const resourceExhausted = make('RESOURCE_EXHAUSTED');
/** A server that is needed is away (503). */
export const unavailable = make('UNAVAILABLE');
export const deadlineExceeded = make('DEADLINE_EXCEEDED');
/** The client left before it was answered. */
export const clientLeft = (): MusubiError => make('CANCELLED')('CLIENT_LEFT');
/** Nobody waits for the answer any more: what only reads or waits ends with it. */
export const callerGone = (): MusubiError => deadlineExceeded('CALLER_GONE');
/** A store can't be reached, or takes no work of ours: it says nothing about the request (503). */
export const storeUnavailable = (cause: unknown): MusubiError =>
  unavailable('STORE_UNAVAILABLE', 'the store cannot be used at the moment', { cause });
/** A store has no room, on its disk or in its memory, and takes no writes until there is (503). */
export const storeFull = (cause: unknown): MusubiError =>
  unavailable('STORE_FULL', 'the store is full, and takes no writes until it has room again', { cause });
/** A defect of ours (500). */
export const internal = make('INTERNAL');

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

/** Whether an error speaks of a server that is away or busy rather than of a defect of ours. */
export function isTransient(error: unknown): boolean {
  if (error instanceof MusubiError) return error.retryable;
  if (!(error instanceof Error)) return false;
  return SOCKET_ERRORS.has((error as NodeJS.ErrnoException).code ?? '') || isTransient(error.cause);
}

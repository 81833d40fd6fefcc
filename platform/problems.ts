import type { status } from '@grpc/grpc-js';

/**
 * The catalogue of everything that can be refused or fail: one entry a code, and no code without an entry. The gRPC
 * status of an error, its HTTP status, the enum in OpenAPI and the page at a problem's `type` all come from here.
 */
export interface ProblemKind {
  /** The gRPC status (https://grpc.io/docs/guides/status-codes/) that the code always comes with. */
  status: keyof typeof status;
  /** The HTTP status, where HTTP has one of its own for it; else it follows from `status`. */
  http?: number;
  /** What happened, in one sentence. */
  meaning: string;
  /** What the client can do about it, in one sentence. Absent: it is an answer between services, and no client is told it. */
  remedy?: string;
}

const LOG_IN_AGAIN = 'Log in again (POST /v1/auth/login).';
/** A job may end with what may pass by itself; its key then leads to that job for ever. */
const JOB_HAS_ENDED = 'where `instance` names a job, that job has ended: send the command with a new Idempotency-Key.';
const TRY_AGAIN = `Send the same request again, after Retry-After where it is given; ${JOB_HAS_ENDED}`;
const TELL_OPERATOR = "Tell the operator of the system, with the problem's traceId.";

export const PROBLEMS = {
  // The request.
  INVALID_ARGUMENT: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A part of the request is not what it must be.',
    remedy: 'Mend the fields that `errors` names.',
  },
  MALFORMED_REQUEST: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The bytes of the request are not HTTP that can be read: its target, its headers or its framing.',
    remedy: 'Send a request as RFC 9110 and RFC 9112 have it.',
  },
  MALFORMED_JSON: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The body is not JSON in UTF-8.',
    remedy: 'Send a body that is JSON (RFC 8259).',
  },
  BODY_TOO_LARGE: {
    status: 'INVALID_ARGUMENT',
    http: 413,
    meaning: 'The body has more bytes, or more values, than are read.',
    remedy: 'Send a smaller body; `detail` names the limit.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 'INVALID_ARGUMENT',
    http: 415,
    meaning: 'The body is of a type, a character set or an encoding that is not understood.',
    remedy: 'Send the Content-Type that `detail` names, in UTF-8 and not compressed.',
  },
  HEADERS_TOO_LARGE: {
    status: 'INVALID_ARGUMENT',
    http: 431,
    meaning: 'The headers have more bytes than are read.',
    remedy: 'Send fewer or shorter headers.',
  },
  URI_TOO_LONG: {
    status: 'INVALID_ARGUMENT',
    http: 414,
    meaning: 'The target of the request, its path with its query, has more bytes than are read.',
    remedy: 'Send a shorter query.',
  },
  HTTP_VERSION_NOT_SUPPORTED: {
    status: 'INVALID_ARGUMENT',
    http: 505,
    meaning: 'The request is in a version of HTTP that is not spoken here.',
    remedy: 'Send it by HTTP/1.1.',
  },
  REQUEST_TIMEOUT: {
    status: 'INVALID_ARGUMENT',
    http: 408,
    meaning: 'The request did not arrive whole in time.',
    remedy: 'Send it again, faster.',
  },
  EXPECTATION_FAILED: {
    status: 'INVALID_ARGUMENT',
    http: 417,
    meaning: 'The Expect header asks for something else than 100-continue.',
    remedy: 'Leave the Expect header out.',
  },
  METHOD_NOT_ALLOWED: {
    status: 'INVALID_ARGUMENT',
    http: 405,
    meaning: 'The path exists, and the method can not be used on it.',
    remedy: 'Use one of the methods in the Allow header.',
  },
  ROUTE_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'There is nothing at this path.',
    remedy: '/openapi.json lists what there is.',
  },
  FILE_NOT_FOUND: { status: 'NOT_FOUND', meaning: 'There is no such file.', remedy: 'Begin at /docs.' },
  NOT_FOUND: { status: 'NOT_FOUND', meaning: 'What is named does not exist.', remedy: 'Check the ID.' },
  PAGE_TOKEN_INVALID: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The pageToken is not one of this list and this query.',
    remedy: 'Begin at the first page: leave pageToken out.',
  },
  VERSION_MISMATCH: {
    status: 'FAILED_PRECONDITION',
    http: 412,
    meaning: 'The resource has changed since its ETag was read.',
    remedy: 'Read it again, and send the new ETag in If-Match.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 'FAILED_PRECONDITION',
    http: 422,
    meaning: 'The Idempotency-Key was used for another request.',
    remedy: 'Use a new key for each new request, and the same key only to repeat one.',
  },
  CONFLICT: {
    status: 'ABORTED',
    meaning: 'The present state does not allow it.',
    remedy: 'Read the resource again, and decide anew.',
  },

  // Who asks.
  TOKEN_MISSING: { status: 'UNAUTHENTICATED', meaning: 'The request has no bearer token.', remedy: LOG_IN_AGAIN },
  TOKEN_INVALID: { status: 'UNAUTHENTICATED', meaning: 'The token is none of ours, or damaged.', remedy: LOG_IN_AGAIN },
  TOKEN_EXPIRED: {
    status: 'UNAUTHENTICATED',
    meaning: 'The access token is too old.',
    remedy: 'Get a new one by POST /v1/auth/refresh.',
  },
  SESSION_REVOKED: {
    status: 'UNAUTHENTICATED',
    meaning: 'The session of the token has ended.',
    remedy: LOG_IN_AGAIN,
  },
  BAD_CREDENTIALS: {
    status: 'UNAUTHENTICATED',
    meaning: 'The login or the password is wrong.',
    remedy: 'Check both; after some failures the next try is refused for a time.',
  },
  LOGIN_SUSPENDED: {
    status: 'PERMISSION_DENIED',
    meaning: 'Login and password are right, and the login is closed: its member is suspended, or is being deleted.',
    remedy: 'Ask an administrator to reinstate the member.',
  },
  REFRESH_TOKEN_INVALID: {
    status: 'UNAUTHENTICATED',
    meaning: 'The refresh token is not good, or no longer.',
    remedy: LOG_IN_AGAIN,
  },
  REFRESH_TOKEN_REUSED: {
    status: 'UNAUTHENTICATED',
    meaning:
      'The refresh token was used before, and not only to get the same answer again within 10 seconds, so somebody may have stolen it: its session has ended.',
    remedy: LOG_IN_AGAIN,
  },
  PERMISSION_DENIED: {
    status: 'PERMISSION_DENIED',
    meaning: 'The member may not do this.',
    remedy: 'Let a member act whose roles grant the action; every operation names it as x-action.',
  },

  // Members and logins.
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

  // Jobs.
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

  // The system.
  TOO_MANY_ATTEMPTS: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'Too many logins have failed, of this login, from this address, or both.',
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
  TEMPORAL_UNAVAILABLE: {
    status: 'UNAVAILABLE',
    meaning: 'Commands can not be started now.',
    remedy: TRY_AGAIN,
  },
  INTERNAL: { status: 'INTERNAL', meaning: 'This failed on a defect of ours.', remedy: TELL_OPERATOR },

  // The socket.
  BAD_FRAME: { status: 'INVALID_ARGUMENT', meaning: 'The frame is not what it must be.', remedy: 'See /asyncapi.json.' },
  FRAME_UNKNOWN: { status: 'INVALID_ARGUMENT', meaning: 'There is no frame of this type.', remedy: 'See /asyncapi.json.' },
  TOPIC_UNKNOWN: { status: 'NOT_FOUND', meaning: 'There is no such topic.', remedy: 'See /asyncapi.json.' },
  TOO_MANY_TOPICS: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The socket has as many topics as one may have.',
    remedy: 'Unsubscribe from some, or open another socket.',
  },
  SUBPROTOCOL_REQUIRED: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The socket was asked for without its subprotocol.',
    remedy: 'Ask for the subprotocol `musubi.v1`.',
  },
  ORIGIN_REFUSED: {
    status: 'PERMISSION_DENIED',
    meaning: 'Pages of this origin may not open sockets.',
    remedy: 'Open the socket from an allowed origin; the operator lists them in MUSUBI_ALLOWED_ORIGINS.',
  },
  UPGRADE_REQUIRED: {
    status: 'INVALID_ARGUMENT',
    http: 426,
    meaning: 'This path is a WebSocket.',
    remedy: 'Connect with a WebSocket client; see /asyncapi.json.',
  },

  // Between services: without a remedy.
  CLIENT_LEFT: { status: 'CANCELLED', meaning: 'The client left before it was answered.' },
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
  LOGIN_NOT_SUSPENDED: { status: 'FAILED_PRECONDITION', meaning: 'The login is open.' },
  LOGIN_BUSY: {
    status: 'ABORTED',
    meaning: 'A login that is to be given back was taken meanwhile.',
  },
  SOCKETS_OPEN: { status: 'ABORTED', meaning: 'Sockets of the member are still open.' },
  MEMBER_EXISTS: { status: 'ALREADY_EXISTS', meaning: 'A member with this ID exists already.' },
  ROLE_TOO_OLD: { status: 'UNAVAILABLE', meaning: 'The release of Role that answers is too old for this.' },
  INVALID_POLICY: { status: 'INVALID_ARGUMENT', meaning: 'A policy is no Cedar, or does not fit the schema.' },
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

export type ProblemCode = keyof typeof PROBLEMS;

/** The codes that come with a gRPC status. */
export type CodeOf<S extends keyof typeof status> = {
  [C in ProblemCode]: (typeof PROBLEMS)[C]['status'] extends S ? C : never;
}[ProblemCode];

export const PROBLEM_CODES = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

/** The codes that a client may be told: all but those between services. */
export const CLIENT_CODES = PROBLEM_CODES.filter((code) => 'remedy' in PROBLEMS[code]) as [ProblemCode, ...ProblemCode[]];
const CLIENT_CODE_SET: ReadonlySet<string> = new Set(CLIENT_CODES);

export const isClientCode = (code: string): code is ProblemCode => CLIENT_CODE_SET.has(code);

export const problemKind = (code: ProblemCode): ProblemKind => PROBLEMS[code];

/** What can be wrong with one field; `message` says it in words. */
export const FIELD_CODES = [
  'REQUIRED',
  'REPEATED',
  'UNKNOWN',
  'WRONG_TYPE',
  'WRONG_FORMAT',
  'TOO_SHORT',
  'TOO_LONG',
  'TOO_SMALL',
  'TOO_LARGE',
  'NOT_ONE_OF',
  'TAKEN',
  'TOO_COMMON',
  'NOT_FOUND',
  'INVALID',
] as const;
export type FieldCode = (typeof FIELD_CODES)[number];

export function isFieldCode(code: string): code is FieldCode {
  return (FIELD_CODES as readonly string[]).includes(code);
}

/** What stands for a code that this release does not know (a newer service's), or for a status that came without one. */
const BY_STATUS: Partial<Record<keyof typeof status, ProblemCode>> = {
  CANCELLED: 'CLIENT_LEFT',
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  OUT_OF_RANGE: 'INVALID_ARGUMENT',
  NOT_FOUND: 'NOT_FOUND',
  ALREADY_EXISTS: 'CONFLICT',
  FAILED_PRECONDITION: 'CONFLICT',
  ABORTED: 'CONFLICT',
  PERMISSION_DENIED: 'PERMISSION_DENIED',
  UNAUTHENTICATED: 'TOKEN_INVALID',
  RESOURCE_EXHAUSTED: 'TOO_BUSY',
  UNAVAILABLE: 'SERVICE_UNAVAILABLE',
  DEADLINE_EXCEEDED: 'SERVICE_TIMEOUT',
};

/** The code itself where the catalogue has it, else the one that says the most of its gRPC status. */
export function knownCode(code: string, grpcStatus: string): ProblemCode {
  return isProblemCode(code) ? code : codeOfStatus(grpcStatus);
}

/** What a client is told in place of the code: the code itself, unless it is between services, or of a newer one. */
export function clientCode(code: string, grpcStatus: string): ProblemCode {
  return isClientCode(code) ? code : codeOfStatus(grpcStatus);
}

function codeOfStatus(name: string): ProblemCode {
  return (Object.hasOwn(BY_STATUS, name) && BY_STATUS[name as keyof typeof status]) || 'INTERNAL';
}

/** The address of a kind of problem, relative to the server that tells of it (RFC 9457, section 3.1.1). */
export const problemType = (code: ProblemCode): string => `/problems/${code}`;

/** `LOGIN_TAKEN` → "Login taken" */
export function problemTitle(code: ProblemCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

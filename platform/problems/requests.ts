import { LOG_IN_AGAIN, type ProblemKind } from './kind.ts';

/** What a request can be refused for before anything is done, by any route. */
export const REQUESTS = {
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
  SESSION_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'The member has no such session: it has ended, or is of another member.',
    remedy: 'GET /v1/auth/sessions lists those that there are.',
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
  PERMISSION_REVOKED: {
    status: 'PERMISSION_DENIED',
    meaning:
      'The member was allowed to do this when it was asked for, and not any more when it was about to be done: a role, a position, the session or the member was taken away meanwhile, or what it would give by that is a position that it came to hold, or holds for another time, since it asked. Nothing was changed.',
    remedy:
      'Ask again: it is decided by what the member holds then. Log in again where the session has ended, or let a member act who may.',
  },
  PERMISSION_DENIED: {
    status: 'PERMISSION_DENIED',
    meaning: 'The member may not do this.',
    remedy: 'Let a member act whose roles grant the action; every operation names it as x-action.',
  },
} as const satisfies Record<string, ProblemKind>;

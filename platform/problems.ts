import type { status } from '@grpc/grpc-js';
import { GROUPS } from './problems/groups.ts';
import { INTERNAL_ONLY } from './problems/internal.ts';
import { JOBS } from './problems/jobs.ts';
import type { ProblemKind } from './problems/kind.ts';
import { MEMBERS } from './problems/members.ts';
import { REQUESTS } from './problems/requests.ts';
import { ROLES } from './problems/roles.ts';
import { ROOMS } from './problems/rooms.ts';
import { SOCKETS } from './problems/sockets.ts';
import { SYSTEM } from './problems/system.ts';

export type { ProblemKind } from './problems/kind.ts';

/** The entries by area. A code is in one of them. */
export const PROBLEM_AREAS = [REQUESTS, MEMBERS, ROLES, GROUPS, ROOMS, JOBS, SYSTEM, SOCKETS, INTERNAL_ONLY] as const;

/**
 * The catalogue of everything that can be refused or fail: one entry a code, and no code without an entry. The gRPC
 * status of an error, its HTTP status, the enum in OpenAPI and the page at a problem's `type` all come from here.
 */
export const PROBLEMS = {
  ...REQUESTS,
  ...MEMBERS,
  ...ROLES,
  ...GROUPS,
  ...ROOMS,
  ...JOBS,
  ...SYSTEM,
  ...SOCKETS,
  ...INTERNAL_ONLY,
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** The codes that come with a gRPC status. */
export type CodeOf<S extends keyof typeof status> = {
  [C in ProblemCode]: (typeof PROBLEMS)[C]['status'] extends S ? C : never;
}[ProblemCode];

export const PROBLEM_CODES = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

/** The codes that a client may see: all except those between services. */
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

/** The code itself where the catalogue has it, otherwise the one that says the most of its gRPC status. */
export function knownCode(code: string, grpcStatus: string): ProblemCode {
  return isProblemCode(code) ? code : codeOfStatus(grpcStatus);
}

/** What a client sees in place of the code: the code itself, unless it is between services, or of a newer one. */
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

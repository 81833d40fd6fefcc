import { type CodeOf, knownCode, type ProblemCode } from '#platform/problems.ts';
import { httpStatusOf } from './problem.ts';
import type { Route } from './route.ts';

/** What any request may be answered with: it could not be read, a server is away, or this release has no word for what a service said. */
export const ANYWHERE: readonly ProblemCode[] = [
  'MALFORMED_REQUEST',
  'REQUEST_TIMEOUT',
  'EXPECTATION_FAILED',
  'HEADERS_TOO_LARGE',
  'URI_TOO_LONG',
  'HTTP_VERSION_NOT_SUPPORTED',
  'NOT_FOUND',
  'CONFLICT',
  'STORE_CONFLICT',
  'TOO_BUSY',
  'INTERNAL',
  'SERVICE_UNAVAILABLE',
  'STORE_UNAVAILABLE',
  'STORE_FULL',
  'SERVICE_TIMEOUT',
];

/** What is answered where there is no route, or none of that method. */
export const UNROUTED: readonly ProblemCode[] = ['ROUTE_NOT_FOUND', 'METHOD_NOT_ALLOWED'];

/** What is wrong with the bearer token itself; a new one helps, so a client that meets it refreshes. */
export const TOKEN_PROBLEMS: readonly ProblemCode[] = ['TOKEN_INVALID', 'TOKEN_EXPIRED', 'SESSION_REVOKED'];

const UNAUTHENTICATED: readonly ProblemCode[] = ['TOKEN_MISSING', ...TOKEN_PROBLEMS];
const OF_A_BODY: readonly ProblemCode[] = ['MALFORMED_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];

/** The code of a 404 for a path parameter that names nothing: `memberId` → MEMBER_NOT_FOUND. (A subgroup is a group.) */
export function notFoundCode(parameter: string): CodeOf<'NOT_FOUND'> {
  return knownCode(`${parameter.replace(/^sub|Id$/g, '').toUpperCase()}_NOT_FOUND`, 'NOT_FOUND') as CodeOf<'NOT_FOUND'>;
}

/**
 * Every code that a route may be answered with, by HTTP status; under `default` those that any route has, for statuses
 * that are not named. The OpenAPI document is made from it, and tests hold every answer to it.
 */
export function declaredProblems(route: Route): Map<number | 'default', ProblemCode[]> {
  const own = new Set<ProblemCode>([
    'INVALID_ARGUMENT',
    // A body is read, and refused, also where nothing is asked for in one.
    ...(route.method === 'GET' ? [] : OF_A_BODY),
    ...(route.public ? [] : UNAUTHENTICATED),
    ...(route.hiddenAs ? [route.hiddenAs] : []),
    ...(route.public || (route.hiddenAs && !route.readBy) ? [] : ['PERMISSION_DENIED']),
    ...Object.keys(route.params.shape).map(notFoundCode),
    ...(route.problems ?? []),
  ] as ProblemCode[]);
  const byStatus = new Map<number | 'default', ProblemCode[]>();
  const statuses = [...new Set([...own].map(httpStatusOf))].sort((a, b) => a - b);
  const all = [...new Set([...own, ...ANYWHERE])];
  for (const status of statuses)
    byStatus.set(
      status,
      all.filter((code) => httpStatusOf(code) === status),
    );
  return byStatus.set('default', [...ANYWHERE]);
}

import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiContentObject,
  type ZodOpenApiObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { type ProblemCode, problemKind, problemTitle, problemType } from '#platform/problems.ts';
import { RESOURCE_TYPES } from '#proto/musubi/auth/v1/actions.ts';
import manifest from '../../package.json' with { type: 'json' };
import { bodyTypes } from '../http/body.ts';
import { ANYWHERE, declaredProblems } from '../http/declared-problems.ts';
import { httpStatusOf, type Problem, problemSchema } from '../http/problem.ts';
import type { ResponseDeclaration, Route } from '../http/route.ts';

const DESCRIPTION = `The REST API of Musubi.

**Commands** (POST, PUT, PATCH, DELETE) answer \`202\` with a job, which tells how far the command is; with
\`Prefer: wait=N\` they answer as if they were synchronous. A command happens whole or leaves no trace.
**Queries** (GET) show every command whose job is \`completed\`.
**Errors** are RFC 9457 problems with a stable \`code\`; each operation lists its own, and \`/problems\` says what each means.

Requests are read strictly: unknown fields and parameters, and headers and parameters that are empty or sent twice, are
refused. IDs are read in either case.`;

const TAGS: Record<Route['tag'], string> = {
  Auth: 'Sessions with their tokens, and what they may do',
  Members: 'The people of the organisation',
  Roles: 'What members may do, by the policies that their roles carry',
  Policies: 'What is permitted, and what is forbidden',
  Groups: 'Groups within groups, up to the whole organisation, and who is in which',
  Positions: 'What members are in a group, and what they may do there',
  Rooms: 'Where members talk, who is in them, what is said and how far it is read',
  Jobs: 'How far commands are',
  Documents: 'This API, told by itself',
};

/** The OpenAPI 3.1 document of the routes. */
export function openApiDocument(routes: readonly Route[], publicUrl: string | undefined) {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  const document: ZodOpenApiObject = {
    openapi: '3.1.0',
    info: {
      title: 'Musubi',
      version: manifest.version,
      description: DESCRIPTION,
      license: { name: manifest.license, identifier: manifest.license },
    },
    servers: [{ url: serverOf(publicUrl) }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name, description: TAGS[name] })),
    paths,
    components: {
      schemas: { Problem: problemSchema },
      examples: Object.fromEntries(declaredAnywhere(routes).map((code) => [code, exampleOf(code)])),
      responses: { AnyProblem: problemResponse(ANYWHERE) },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The accessToken of POST /v1/auth/login' },
      },
    },
  };
  return createDocument(document, { override: ({ jsonSchema }) => readable(jsonSchema) });
}

/**
 * Where the document says that the API is. Under a loopback address no other host knows the gateway, and a page that was
 * opened by another name of it (localhost for 127.0.0.1) must ask where it came from: `/`, wherever the document is.
 */
export function serverOf(publicUrl: string | undefined): string {
  if (publicUrl === undefined || /^(localhost|127\..*|\[::1\])$/.test(new URL(publicUrl).hostname)) return '/';
  return publicUrl.replace(/\/$/, '');
}

/** Formats whose pattern is not ours: it only says again what the format says. */
const FORMATS_THAT_SAY_ALL = ['uuid', 'date-time'];

/** Leaves out what only says again, in a regular expression or in the bounds of a double, what the format or the type says. */
function readable(schema: { format?: string; pattern?: string; minimum?: number; maximum?: number }): void {
  if (FORMATS_THAT_SAY_ALL.includes(schema.format ?? '')) delete schema.pattern;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

function operation(route: Route): ZodOpenApiOperationObject {
  const { method, tag, operationId, summary, description, action, selfAction, body } = route;
  const bySelf = selfAction ? `, or of who does it to itself \`${selfAction}\`` : '';
  const access = action ? `Needs the permission \`${action}\`${bySelf}.` : 'Public: needs no token.';
  return {
    tags: [tag],
    operationId,
    summary,
    description: [description, access].filter(Boolean).join('\n\n'),
    // What to ask /v1/auth/check, and about which type of resource; null: nothing.
    'x-action': action ?? null,
    ...(selfAction ? { 'x-self-action': selfAction } : {}),
    'x-resource': action ? RESOURCE_TYPES[action][0] : null,
    security: action ? [{ bearer: [] }] : [],
    requestParams: {
      ...(isEmpty(route.params) ? {} : { path: route.params }),
      ...(isEmpty(route.query) ? {} : { query: route.query }),
      ...(isEmpty(route.headers) ? {} : { header: route.headers }),
      ...(isEmpty(route.cookies) ? {} : { cookie: route.cookies }),
    },
    ...(body ? { requestBody: { required: !body.isOptional(), content: contents(bodyTypes(method), body) } } : {}),
    responses: { ...answers(route), ...problems(route) },
  };
}

const isEmpty = (schema: z.ZodObject): boolean => Object.keys(schema.shape).length === 0;

/** The body of each of these types. Its example stands beside the schema too, where pages to try an API look for it. */
function contents(types: readonly string[], given: z.ZodType): ZodOpenApiContentObject {
  // That a body may be absent, `required` says.
  const schema = given instanceof z.ZodOptional ? (given.unwrap() as z.ZodType) : given;
  const [example] = schema.meta()?.examples ?? [];
  return Object.fromEntries(types.map((type) => [type, { schema, ...(example === undefined ? {} : { example }) }]));
}

function answers(route: Route): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    Object.entries(route.responses as Record<string, ResponseDeclaration>).map(([status, response]) => {
      const { description, schema, contentType = 'application/json', headers = {} } = response;
      const content = schema ? { content: contents([contentType], schema) } : {};
      return [status, { description, ...content, headers: described(headers) }];
    }),
  );
}

const described = (headers: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' as const } }]),
  );

/** The problems that a route may be answered with: the codes of each status, what they mean, and what one looks like. */
function problems(route: Route): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    [...declaredProblems(route)].map(([status, codes]) => [
      String(status),
      status === 'default' ? { $ref: '#/components/responses/AnyProblem' } : problemResponse(codes, status),
    ]),
  );
}

const declaredAnywhere = (routes: readonly Route[]): ProblemCode[] => [
  ...new Set(routes.flatMap((route) => [...declaredProblems(route).values()].flat())),
];

function problemResponse(codes: readonly ProblemCode[], status?: number): ZodOpenApiResponseObject {
  // Generators of clients take an `enum` with its type for what it is, and stumble over a `const`.
  const narrowed = {
    code: { type: 'string' as const, enum: [...codes] },
    ...(status === undefined ? {} : { status: { type: 'integer' as const, enum: [status] } }),
  };
  return {
    description: codes.map((code) => `\`${code}\`: ${problemKind(code).meaning}`).join('\n\n'),
    headers: described(PROBLEM_HEADERS[status ?? 0] ?? {}),
    content: {
      'application/problem+json': {
        schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { type: 'object', properties: narrowed }] },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  };
}

const RETRY_AFTER = {
  'Retry-After':
    'The seconds to wait before the same request has a chance; absent when the problem is the end of a job (`instance`)',
};
/** By status; 0: of any other. */
const PROBLEM_HEADERS: Record<number, Record<string, string>> = {
  0: RETRY_AFTER,
  401: { 'WWW-Authenticate': 'The challenge (RFC 6750)' },
  409: RETRY_AFTER,
  429: RETRY_AFTER,
  503: RETRY_AFTER,
};

/** A problem of that code, as it may come. */
function exampleOf(code: ProblemCode): { summary: string; value: Problem } {
  const { meaning } = problemKind(code);
  const fields = EXAMPLE_FIELDS[code];
  const value: Problem = {
    type: problemType(code),
    title: problemTitle(code),
    status: httpStatusOf(code),
    detail: meaning,
    code,
    errors: fields ? [fields] : [],
    traceId: '0af7651916cd43dd8448eb211c80319c',
  };
  return { summary: value.title, value };
}

/** Of codes whose field has one name, wherever it stands. */
const EXAMPLE_FIELDS: Partial<Record<ProblemCode, Problem['errors'][number]>> = {
  // Of what any operation may be sent.
  INVALID_ARGUMENT: { in: 'query', field: 'verbose', code: 'UNKNOWN', message: 'is not known here' },
  MALFORMED_JSON: { in: 'body', field: '', code: 'WRONG_FORMAT', message: 'must be JSON in UTF-8' },
  UNSUPPORTED_MEDIA_TYPE: { in: 'header', field: 'Content-Type', code: 'NOT_ONE_OF', message: 'must be application/json' },
  IDEMPOTENCY_KEY_REUSED: {
    in: 'header',
    field: 'Idempotency-Key',
    code: 'TAKEN',
    message: 'was used for another request; use a new one',
  },
  PAGE_TOKEN_INVALID: {
    in: 'query',
    field: 'pageToken',
    code: 'INVALID',
    message: 'must be the nextPageToken of a page of the same query',
  },
  LOGIN_TAKEN: { in: 'body', field: 'loginId', code: 'TAKEN', message: 'is taken; choose another' },
  CURRENT_PASSWORD_WRONG: { in: 'body', field: 'currentPassword', code: 'INVALID', message: 'is not the password' },
  PASSWORD_UNCHANGED: { in: 'body', field: 'newPassword', code: 'INVALID', message: 'must be another than the current one' },
};

import type { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import manifest from '../package.json' with { type: 'json' };
import { bodyTypes } from './body.ts';
import { problemSchema } from './problem.ts';
import type { ResponseDeclaration, Route } from './route.ts';

const DESCRIPTION = `The REST API of Musubi.

**Commands** (POST, PUT, PATCH, DELETE) answer \`202\` with a job, which tells how far the command is; with
\`Prefer: wait=N\` they answer as if they were synchronous. A command happens whole or leaves no trace.
**Queries** (GET) show every command whose job is \`completed\`.
**Errors** are RFC 9457 problems with a stable \`code\`.`;

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
    servers: [{ url: publicUrl?.replace(/\/$/, '') || '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The accessToken of POST /v1/auth/login' },
      },
    },
  };
  return createDocument(document, { override: ({ jsonSchema }) => readable(jsonSchema) });
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
  const { method, tag, operationId, summary, description, action, body } = route;
  const access = action ? `Needs the permission \`${action}\`.` : 'Public: needs no token.';
  return {
    tags: [tag],
    operationId,
    summary,
    description: [description, access].filter(Boolean).join('\n\n'),
    security: action ? [{ bearer: [] }] : [],
    requestParams: {
      ...(isEmpty(route.params) ? {} : { path: route.params }),
      ...(isEmpty(route.query) ? {} : { query: route.query }),
      ...(isEmpty(route.headers) ? {} : { header: route.headers }),
    },
    ...(body
      ? {
          requestBody: { required: true, content: Object.fromEntries(bodyTypes(method).map((type) => [type, { schema: body }])) },
        }
      : {}),
    responses: { ...declared(route), ...problems(route) },
  };
}

const isEmpty = (schema: z.ZodObject): boolean => Object.keys(schema.shape).length === 0;

function declared(route: Route): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    Object.entries(route.responses as Record<string, ResponseDeclaration>).map(([status, response]) => [
      status,
      {
        description: response.description,
        ...(response.schema ? { content: { [response.contentType ?? 'application/json']: { schema: response.schema } } } : {}),
        ...(response.headers
          ? {
              headers: Object.fromEntries(
                Object.entries(response.headers).map(([name, text]) => [
                  name,
                  { description: text, schema: { type: 'string' as const } },
                ]),
              ),
            }
          : {}),
      },
    ]),
  );
}

/** The problems of a route: those that follow from what it takes, its own (in place of these, but for a 400, which may be either), and any other. */
function problems(route: Route): ZodOpenApiResponsesObject {
  const takesInput = route.body || !isEmpty(route.query) || !isEmpty(route.headers);
  const invalid = takesInput ? ['INVALID_ARGUMENT or MALFORMED_JSON: `errors` names the fields'] : [];
  const { 400: refused, ...others } = route.problems ?? {};
  if (refused) invalid.push(refused);
  const byStatus: Record<string, string> = {
    ...(invalid.length > 0 ? { 400: invalid.join('; ') } : {}),
    ...(route.body ? { 413: 'BODY_TOO_LARGE', 415: 'UNSUPPORTED_MEDIA_TYPE' } : {}),
    ...(route.public ? {} : { 401: 'No, or no valid, bearer token' }),
    ...(route.public || route.hiddenAs ? {} : { 403: 'PERMISSION_DENIED' }),
    ...others,
    default: 'Any other problem',
  };
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, description]) => [
      status,
      { description, content: { 'application/problem+json': { schema: problemSchema } } },
    ]),
  );
}

import test from 'ava';
import { z } from 'zod';
import { route } from '../http/route.ts';
import { openApiDocument } from '../openapi/document.ts';
import { allRoutes } from './index.ts';

const routes = allRoutes();

test('a route that names no action and is not public can not be declared', (t) => {
  const open = {
    method: 'GET',
    path: '/open',
    tag: 'x',
    operationId: 'open',
    summary: 'x',
    responses: {},
    handle: async () => ({}),
  };
  t.throws(() => route(open as unknown as Parameters<typeof route>[0]), { message: /names no action and is not public/ });
});

test('only these routes are public', (t) => {
  t.deepEqual(
    routes.filter((one) => one.public).map(({ method, path }) => `${method} ${path}`),
    [
      'POST /v1/auth/login',
      'POST /v1/auth/refresh',
      'GET /.well-known/jwks.json',
      'GET /problems',
      'GET /problems/{code}',
      'GET /',
      'GET /openapi.json',
      'GET /docs',
      'GET /docs/{file}',
    ],
  );
});

test('what takes a body or a query refuses what it does not know', (t) => {
  for (const { operationId, query, body } of routes) {
    t.false(query.safeParse({ unknown: '1' }).success, operationId);
    if (body)
      t.true(
        body.safeParse({ unknown: 1 }).error?.issues.some(({ code }) => code === 'unrecognized_keys'),
        operationId,
      );
  }
});

interface Operation {
  operationId: string;
  security: object[];
  parameters?: { name: string; in: string }[];
  responses: Record<string, object>;
}

test('the OpenAPI document has every route, its answers and its problems', (t) => {
  const document = JSON.parse(JSON.stringify(openApiDocument(routes, 'https://example.com/')));
  t.is(document.openapi, '3.1.0');
  t.is(document.servers[0].url, 'https://example.com');
  for (const { method, path, operationId, action, responses, params } of routes) {
    const operation: Operation = document.paths[path][method.toLowerCase()];
    t.is(operation.operationId, operationId);
    t.deepEqual(operation.security, action ? [{ bearer: [] }] : []);
    for (const status of Object.keys(responses)) t.truthy(operation.responses[status], `${operationId} ${status}`);
    t.deepEqual(operation.responses.default, { $ref: '#/components/responses/AnyProblem' });
    const named = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map(({ name }) => name);
    t.deepEqual(named, Object.keys(params.shape));
  }
  const ids = routes.map(({ operationId }) => operationId);
  t.is(new Set(ids).size, ids.length);
});

test('every schema of the document is a JSON Schema that can be read back, and every reference leads somewhere', (t) => {
  const document = JSON.parse(JSON.stringify(openApiDocument(routes, undefined)));
  const { schemas } = document.components;
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
    (match) => match[1] ?? '',
  );
  t.true(references.length > 20);
  for (const name of references) t.truthy(schemas[name], name);
  // Zod reads no rules between fields. Ajv does (document.test.ts).
  const read = (schema: unknown) =>
    JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', '#/$defs/'), (keyword, value) =>
      keyword === 'not' || keyword === 'dependentRequired' ? undefined : value,
    );
  const defs = read(schemas);
  for (const [name, schema] of Object.entries(schemas)) {
    const local = read(schema);
    t.notThrows(() => z.fromJSONSchema({ ...local, $defs: defs }), name);
  }
});

test('under a loopback address the API is where its document is; else it is at the public one, which the page may ask', async (t) => {
  for (const [publicUrl, server, connect] of [
    [undefined, '/', "connect-src 'self'"],
    ['http://127.0.0.1:8080', '/', "connect-src 'self'"],
    ['http://localhost:8080/', '/', "connect-src 'self'"],
    ['http://[::1]:8080', '/', "connect-src 'self'"],
    ['https://example.com/', 'https://example.com', "connect-src 'self' https://example.com"],
  ] as const) {
    t.is(openApiDocument(routes, publicUrl).servers?.[0]?.url, server);
    const page = allRoutes(publicUrl).find(({ operationId }) => operationId === 'getDocs');
    const ctx = { req: { headers: {} }, vary: () => undefined };
    const answer = await page?.handle({ ctx } as never, {} as never);
    const policy = answer?.headers?.['Content-Security-Policy'] ?? '';
    t.true(policy.split('; ').includes(connect), policy);
  }
});

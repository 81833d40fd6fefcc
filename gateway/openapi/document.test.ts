import test from 'ava';
import { CLIENT_CODES, problemKind } from '#platform/problems.ts';
import { ownContract } from '../client.fixture.ts';
import { declaredProblems } from '../http/declared-problems.ts';
import { httpStatusOf } from '../http/problem.ts';
import { allRoutes } from '../routes/index.ts';
import { openApiDocument } from './document.ts';

interface Schema {
  $ref?: string;
  example?: unknown;
  examples?: unknown[];
  enum?: unknown[];
  default?: unknown;
}
interface Media {
  schema: object;
  example?: unknown;
  examples?: Record<string, { $ref: string }>;
}
interface Operation {
  'x-action': string | null;
  'x-self-action'?: string;
  'x-resource': string | null;
  parameters?: { name: string; in: 'path' | 'query' | 'header' | 'cookie'; description?: string; schema: Schema }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { $ref?: string; description: string; headers?: object; content?: Record<string, Media> }>;
}

const routes = allRoutes();
const document = JSON.parse(JSON.stringify(openApiDocument(routes, 'https://example.com')));
const contract = ownContract();
const operationOf = ({ path, method }: (typeof routes)[number]): Operation => document.paths[path][method.toLowerCase()];

/** Every object of the document that is reached by an own name, with its JSON pointer. */
function* objectsIn(value: unknown, pointer = ''): Generator<[pointer: string, object: Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [pointer, value as Record<string, unknown>];
  for (const [name, inner] of Object.entries(value)) {
    // What is given as an example is no part of the document.
    if (name === 'example' || (name === 'examples' && Array.isArray(inner)) || name === 'value') continue;
    yield* objectsIn(inner, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  }
}

test('every example is what its schema says', (t) => {
  let tried = 0;
  const isValid = (pointer: string, example: unknown) => {
    t.is(contract.violations(pointer, example), '', `${pointer}: ${JSON.stringify(example)}`);
    tried++;
  };
  for (const [pointer, object] of objectsIn(document)) {
    const { schema, example, examples } = object as { schema?: object; example?: unknown; examples?: unknown };
    const ruling = schema ? `${pointer}/schema` : pointer;
    if (example !== undefined) isValid(ruling, example);
    if (Array.isArray(examples)) for (const one of examples) isValid(ruling, one);
    else if (schema && typeof examples === 'object' && examples !== null) {
      for (const { $ref } of Object.values(examples) as { $ref: string }[])
        isValid(ruling, document.components.examples[$ref.split('/').at(-1) ?? ''].value);
    }
  }
  t.true(tried > 100, `${tried}`);
});

test('of the two forms of a policy the document takes what the gateway takes', (t) => {
  const parts = { cedar: 'permit (principal, action, resource);', effect: 'allow', actions: ['*'], resources: ['own'] };
  const names = Object.keys(parts) as (keyof typeof parts)[];
  for (const [operationId, schema, name] of [
    ['createPolicy', 'NewPolicy', { name: 'One' }],
    ['updatePolicy', 'PolicyChanges', {}],
  ] as const) {
    const route = routes.find((one) => one.operationId === operationId);
    for (let which = 0; which < 2 ** names.length; which++) {
      const given = names.filter((_, at) => which & (1 << at));
      const body = { ...name, ...Object.fromEntries(given.map((part) => [part, parts[part]])) };
      const isTaken = route?.body?.safeParse(body).success ?? false;
      t.is(
        contract.violations(`/components/schemas/${schema}`, body) === '',
        isTaken,
        `${operationId}: ${given.join() || 'none'}`,
      );
    }
  }
});

test('every body, parameter and header of a request has an example, which the gateway takes', (t) => {
  for (const route of routes) {
    const { parameters = [], requestBody } = operationOf(route);
    for (const [type, { example }] of Object.entries(requestBody?.content ?? {})) {
      t.truthy(example, `${route.operationId} ${type}`);
      t.true(route.body?.safeParse(example).success, route.operationId);
    }
    const shapes = {
      path: route.params.shape,
      query: route.query.shape,
      header: route.headers.shape,
      cookie: route.cookies.shape,
    };
    for (const { name, in: place, schema: given, description } of parameters) {
      const schema: Schema = given.$ref ? document.components.schemas[given.$ref.split('/').at(-1) ?? ''] : given;
      const { example, examples = schema.enum ?? [], default: usual } = schema;
      const values = [...(example === undefined ? [] : [example]), ...examples, ...(usual === undefined ? [] : [usual])];
      t.true(values.length > 0, `${route.operationId} ${name}`);
      t.truthy(description, `${route.operationId} ${name}`);
      const taken: { safeParse(value: string): { success: boolean } } = shapes[place][name];
      for (const value of values) t.true(taken.safeParse(String(value)).success, `${route.operationId} ${name} ${value}`);
    }
  }
});

test('an example of a problem is about what its operation has', (t) => {
  let tried = 0;
  for (const route of routes) {
    const { parameters = [], requestBody, responses } = operationOf(route);
    const has = (place: string, field: string): boolean => {
      if (place === 'body') return field === '' || Object.hasOwn(bodyFields(requestBody), field);
      return field === 'Content-Type' || parameters.some(({ name, in: where }) => where === place && name === field);
    };
    for (const { content = {} } of Object.values(responses)) {
      for (const { $ref } of Object.values(content['application/problem+json']?.examples ?? {})) {
        const { code, errors } = document.components.examples[$ref.split('/').at(-1) ?? ''].value;
        for (const { in: place, field, code: kind } of errors) {
          t.is(has(place, field), kind !== 'UNKNOWN', `${route.operationId}: ${code}: ${field}`);
          tried++;
        }
      }
    }
  }
  t.true(tried > 30, `${tried}`);
});

const bodyFields = (body: Operation['requestBody']): object => {
  const [schema = {}] = Object.values(body?.content ?? {}).map((media) => media.schema as Schema);
  const { properties = {} } = document.components.schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? {};
  return properties;
};

test('what narrows a problem has a type beside it, without which generators of clients leave the response out', (t) => {
  let tried = 0;
  for (const [pointer, object] of objectsIn(document)) {
    if ('const' in object || 'enum' in object) {
      t.is(typeof object.type, 'string', pointer);
      tried++;
    }
    if (pointer.includes('problem+json')) t.false('const' in object, pointer);
  }
  t.true(tried > 100, `${tried}`);
});

test('what is answered has an example, too', (t) => {
  for (const route of routes) {
    for (const [status, { content = {} }] of Object.entries(operationOf(route).responses)) {
      const { 'application/json': json } = content;
      if (json && route.tag !== 'Documents') t.truthy(json.example, `${route.operationId} ${status}`);
    }
  }
});

test('every operation names its action, and the type of what it is about', (t) => {
  const none = { params: {}, loaded: undefined, claimedMemberId: '', body: {} };
  for (const route of routes) {
    const { 'x-action': action, 'x-resource': resource } = operationOf(route);
    t.is(action, route.action ?? null, route.operationId);
    t.is(resource, route.resource?.(none).type ?? null, route.operationId);
  }
});

test('a check names the actions and the types that there are', (t) => {
  const { Checks, CheckedResource } = document.components.schemas;
  const fields: ['x-action' | 'x-resource', { 'x-extensible-enum': string[] }][] = [
    ['x-action', Checks.properties.checks.items.properties.action],
    ['x-resource', CheckedResource.properties.type],
  ];
  for (const [extension, field] of fields) {
    const named = new Set(
      routes
        .flatMap((route) => [
          operationOf(route)[extension] ?? [],
          (extension === 'x-action' && operationOf(route)['x-self-action']) || [],
        ])
        .flat(),
    );
    t.deepEqual(field['x-extensible-enum'].toSorted(), [...named].sort());
  }
});

test('every operation declares, by status, the codes that it is answered with, and what they mean', (t) => {
  for (const route of routes) {
    const { responses } = operationOf(route);
    for (const [status, codes] of declaredProblems(route)) {
      const { $ref, description } = responses[status] ?? {};
      if (status === 'default') t.is($ref, '#/components/responses/AnyProblem');
      else {
        t.deepEqual([...new Set(codes.map(httpStatusOf))], [status], route.operationId);
        for (const code of codes) t.true(description?.includes(`\`${code}\`: ${problemKind(code).meaning}`), code);
        const problem = { ...document.components.examples[codes[0] ?? ''].value };
        const pointer = `/paths/${route.path.replaceAll('/', '~1')}/${route.method.toLowerCase()}/responses/${status}/content/application~1problem+json/schema`;
        t.is(contract.violations(pointer, problem), '');
        const other = CLIENT_CODES.find((code) => !codes.includes(code));
        t.not(contract.violations(pointer, { ...problem, code: other }), '', 'another code');
        t.not(contract.violations(pointer, { ...problem, status: status + 1 }), '', 'another status');
      }
    }
  }
  const updating = routes.find(({ operationId }) => operationId === 'updateMember');
  const conflicts = (updating && declaredProblems(updating).get(409)) ?? [];
  for (const code of ['LOGIN_TAKEN', 'MEMBER_BUSY', 'JOB_CANCELLED', 'CONFLICT'] as const) t.true(conflicts.includes(code), code);
  t.false(conflicts.includes('LAST_ADMIN'));
});

test('a query whose answer has an ETag takes If-None-Match, and declares the 304', (t) => {
  const tagged = routes.filter(({ method, responses }) => method === 'GET' && responses[200]?.headers?.ETag);
  t.true(tagged.length >= 2);
  for (const route of tagged) {
    const { parameters = [], responses } = operationOf(route);
    t.truthy(
      parameters.find(({ name, in: place }) => name === 'If-None-Match' && place === 'header'),
      route.operationId,
    );
    t.deepEqual(Object.keys(responses[304]?.headers ?? {}), ['ETag']);
    t.is(responses[304]?.content, undefined);
  }
});

test('it is said where they stand what makes names one, and what a filter and an order can go by', (t) => {
  const { NewGroup, GroupChanges, NewPosition, PositionChanges } = document.components.schemas;
  for (const { properties } of [NewGroup, GroupChanges, NewPosition, PositionChanges])
    t.regex(properties.name.description, /One of its kind .*upper and lower case, full and half width are the same/);
  for (const route of routes.filter(({ query }) => 'orderBy' in query.shape))
    t.regex(`${route.summary} ${route.description}`, /or in another order/, route.operationId);
  for (const route of routes.filter(({ query }) => 'filter' in query.shape)) {
    const filter = operationOf(route).parameters?.find(({ name }) => name === 'filter');
    t.regex(filter?.description ?? '', /upper and lower case being different/, route.operationId);
  }
});

import test from 'ava';
import { openApiDocument } from '../gateway/openapi/document.ts';
import { allRoutes } from '../gateway/routes/index.ts';
import { asyncApi } from '../services/websocket/asyncapi.ts';

// A resource calls itself `id`, by REST, on the socket and in a job's result; a reference to another is `<noun>Id`.

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  type?: string;
}
type Schemas = Record<string, Schema>;

interface Rest {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, { schema: Schema }> }> }>>;
  components: { schemas: Schemas };
}
interface Socket {
  components: { messages: Record<string, { payload: { schema: Schema }; examples?: object[] }> };
}

/** What has no ID for clients, by its noun with the parameter that says which it is: a tag by its name, a reaction by its emoji, a direct room by who is in it. */
const NAMED: Readonly<Record<string, string>> = { tag: 'tag', reaction: 'emoji', direct: 'memberId' };
/** What is said of a member or a room, which has the ID. */
const OF_ANOTHER = ['/v1/rooms/{roomId}/receipts', '/v1/unread'];
/** What is also the word for a text. */
const ALSO_TEXTS = ['message'];
/** What has no ID of its own: in a group it is a member's, and of a member it is of a group. */
const OF_MEMBER_AND_GROUP = ['request', 'invitation', 'expulsion'];

/** The resources of the REST API, by its paths, with the names of the parameters that they have there. */
const resourcesOf = ({ paths }: Pick<Rest, 'paths'>): { path: string; noun: string; parameter: string }[] =>
  // What else there is are documents.
  Object.keys(paths)
    .flatMap((path) =>
      [...(path.startsWith('/v1/') ? path.matchAll(/(\w+)\/\{(\w+)\}/g) : [])].map(([, collection = '', parameter = '']) => ({
        path,
        noun: collection.replace(/ies$/, 'y').replace(/s$/, ''),
        parameter,
      })),
    )
    .filter(({ noun, parameter }) => parameter !== NAMED[noun]);
const nounsOf = (rest: Pick<Rest, 'paths'>): string[] => resourcesOf(rest).map(({ noun }) => noun);

/** What paths, and the resources that they show, are called otherwise. */
function misnamedPaths(rest: Rest): string[] {
  const { schemas } = rest.components;
  const resolved = (schema: Schema = {}): Schema => schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema;
  const found = resourcesOf(rest)
    // Of two in one path, the second is below the first.
    .filter(
      ({ path, noun, parameter }) =>
        parameter !== (OF_MEMBER_AND_GROUP.includes(noun) ? 'memberId' : `${noun}Id`) &&
        !(path.includes(`{${noun}Id}`) && parameter === `sub${noun}Id`),
    )
    .map(({ path, noun, parameter }) => `${path}: {${parameter}} is no {${noun}Id}`);
  for (const [path, { get }] of Object.entries(rest.paths)) {
    if (!path.startsWith('/v1/') || OF_ANOTHER.includes(path)) continue;
    const shown = resolved(get?.responses['200']?.content?.['application/json']?.schema);
    const item = shown.properties?.items?.items;
    const noun = (/(\w+)s(?:\/\{\w+\}|\/me)?$/.exec(path)?.[1] ?? '').replace(/ie$/, 'y');
    const resource = item ? resolved(item) : /[}]$|\/me$/.test(path) && get ? shown : undefined;
    if (OF_MEMBER_AND_GROUP.includes(noun) && resource && 'groupId' in (resource.properties ?? {})) continue;
    if (resource) found.push(...misnamedResource(path, noun, resource));
  }
  return found;
}

function misnamedResource(where: string, noun: string, { properties = {}, required = [] }: Schema): string[] {
  return [
    ...(required.includes('id') ? [] : [`${where}: it has no id`]),
    ...(`${noun}Id` in properties ? [`${where}: it calls itself ${noun}Id`] : []),
  ];
}

/** What schemas call otherwise, and those within them: texts that refer to resources, and resources that are part of others. */
function misnamed(nouns: readonly string[], schemas: Schemas): string[] {
  const isReference = new RegExp(`^(${nouns.join('|')})(s|ID|IDs|Uuid|Ref|_id)?$`);
  const mayRefer = (property: string): boolean => isReference.test(property) && !ALSO_TEXTS.includes(property);
  const resolved = ({ $ref, ...schema }: Schema): Schema => ($ref ? (schemas[$ref.split('/').at(-1) ?? ''] ?? {}) : schema);
  const within = (name: string, { properties = {}, items }: Schema): string[] => [
    ...(items ? within(name, items) : []),
    ...Object.entries(properties).flatMap(([property, schema]) => {
      const where = `${name}.${property}`;
      const { items: item, ...one } = resolved(schema);
      const it = item ? resolved(item) : one;
      return [
        ...(it.type === 'string' && mayRefer(property) ? [`${where} is a reference, and not called so`] : []),
        ...(it.properties && nouns.includes(property) ? misnamedResource(where, property, it) : []),
        ...within(where, schema),
      ];
    }),
  ];
  return Object.entries(schemas).flatMap(([name, schema]) => within(name, schema));
}

/** The results of jobs that are shown anywhere in a document, without an `id`. */
function misnamedResults(document: unknown): string[] {
  if (typeof document !== 'object' || document === null) return [];
  const { command, result } = document as { command?: unknown; result?: unknown };
  const isJob = typeof command === 'string' && typeof result === 'object' && result !== null;
  return [
    ...(isJob && !('id' in result) ? [`the result of ${command} has no id: ${JSON.stringify(result)}`] : []),
    ...Object.values(document).flatMap(misnamedResults),
  ];
}

const plain = (document: unknown): unknown => JSON.parse(JSON.stringify(document));
const rest = plain(openApiDocument(allRoutes(), 'https://example.com')) as Rest;
const socket = plain(asyncApi(new URL('wss://example.com/v1/events'))) as Socket;

const misnamedRest = (document: Rest): string[] => [
  ...misnamedPaths(document),
  ...misnamed(nounsOf(document), document.components.schemas),
  ...misnamedResults(document),
];
const misnamedSocket = (nouns: readonly string[], document: Socket): string[] => {
  const frames = Object.entries(document.components.messages).map(([name, { payload }]) => [name, payload.schema]);
  return [...misnamed(nouns, Object.fromEntries(frames)), ...misnamedResults(document)];
};

test('the REST API calls a resource id, and what refers to it <noun>Id', (t) => {
  t.deepEqual(misnamedRest(rest), []);
});

test('so does the socket', (t) => {
  t.true(nounsOf(rest).includes('job'), 'what its frames show');
  t.deepEqual(misnamedSocket(nounsOf(rest), socket), []);
});

const documentOf = (path: string, properties: Schemas, required: string[]): Rest => {
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/Group' } } };
  return {
    paths: { [path]: { get: { responses: { 200: { content } } } } },
    components: { schemas: { Group: { properties, required } } },
  };
};
const frameOf = (properties: Schemas, examples: object[] = []): Socket => ({
  components: { messages: { serverGroup: { payload: { schema: { properties } }, examples } } },
});
const TEXT = { type: 'string' };
const PATH = '/v1/groups/{groupId}';

const BROKEN: Record<string, string[]> = {
  'it has no id': misnamedRest(documentOf(PATH, { name: TEXT }, ['name'])),
  'it calls itself groupId': misnamedRest(documentOf(PATH, { id: TEXT, groupId: TEXT }, ['id'])),
  '{group} is no {groupId}': misnamedRest(documentOf('/v1/groups/{group}', { id: TEXT }, ['id'])),
  'Group.group is a reference': misnamedRest(documentOf(PATH, { id: TEXT, group: TEXT }, ['id'])),
  'Group.groupRef is a reference': misnamedRest(documentOf(PATH, { id: TEXT, groupRef: TEXT }, ['id'])),
  'Group.groups is a reference': misnamedRest(documentOf(PATH, { id: TEXT, groups: { items: TEXT } }, ['id'])),
  'Group.in.group is a reference': misnamedRest(documentOf(PATH, { id: TEXT, in: { properties: { group: TEXT } } }, ['id'])),
  'serverGroup.of.groupRef is a reference': misnamedSocket(['group'], frameOf({ of: { properties: { groupRef: TEXT } } })),
  'serverGroup.group: it has no id': misnamedSocket(['group'], frameOf({ group: { properties: { name: TEXT } } })),
  'serverGroup.group: it calls itself groupId': misnamedSocket(
    ['group'],
    frameOf({ group: { properties: { id: TEXT, groupId: TEXT }, required: ['id'] } }),
  ),
  'the result of group.create has no id': misnamedSocket(
    ['group'],
    frameOf({}, [{ payload: { command: 'group.create', result: { groupId: 'g' } } }]),
  ),
};

for (const [what, found] of Object.entries(BROKEN)) {
  test(`a document is found out in which: ${what}`, (t) => {
    t.true(found.join('\n').includes(what), found.join('\n'));
  });
}

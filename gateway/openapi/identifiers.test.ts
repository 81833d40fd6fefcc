import test from 'ava';
import { allRoutes } from '../routes/index.ts';
import { openApiDocument } from './document.ts';

// A resource calls itself `id`; a reference to another is `<noun>Id`.

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  type?: string;
}

interface Document {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, { schema: Schema }> }> }>>;
  components: { schemas: Record<string, Schema> };
}

/** What the document calls otherwise. */
function misnamed({ paths, components: { schemas } }: Document): string[] {
  const resolved = (schema: Schema = {}): Schema => schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema;
  const found: string[] = [];
  const nouns: string[] = [];
  for (const [path, { get }] of Object.entries(paths)) {
    // What else there is are documents.
    if (!path.startsWith('/v1/')) continue;
    for (const [, collection = '', parameter = ''] of path.matchAll(/(\w+)\/\{(\w+)\}/g)) {
      const noun = collection.replace(/s$/, '');
      nouns.push(noun);
      if (parameter !== `${noun}Id`) found.push(`${path}: {${parameter}} is no {${noun}Id}`);
    }
    const shown = resolved(get?.responses['200']?.content?.['application/json']?.schema);
    const item = shown.properties?.items?.items;
    const noun = /(\w+)s(?:\/\{\w+\}|\/me)?$/.exec(path)?.[1] ?? '';
    const resource = item ? resolved(item) : /[}]$|\/me$/.test(path) && get ? shown : undefined;
    if (resource && !resource.required?.includes('id')) found.push(`${path}: it has no id`);
    if (resource?.properties && `${noun}Id` in resource.properties) found.push(`${path}: it calls itself ${noun}Id`);
  }
  const isReference = new RegExp(`^(${nouns.join('|')})(s|ID|IDs|Uuid|Ref|_id)?$`);
  for (const [name, { properties = {} }] of Object.entries(schemas))
    for (const [property, schema] of Object.entries(properties)) {
      const isText = (resolved(schema).items ?? resolved(schema)).type === 'string';
      if (isText && isReference.test(property)) found.push(`${name}.${property} is a reference, and not called so`);
    }
  return found;
}

test('the REST API calls a resource id, and what refers to it <noun>Id', (t) => {
  t.deepEqual(misnamed(JSON.parse(JSON.stringify(openApiDocument(allRoutes(), 'https://example.com')))), []);
});

const documentOf = (path: string, properties: Record<string, Schema>, required: string[]): Document => {
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/Group' } } };
  return {
    paths: { [path]: { get: { responses: { 200: { content } } } } },
    components: { schemas: { Group: { properties, required } } },
  };
};
const TEXT = { type: 'string' };
const PATH = '/v1/groups/{groupId}';

const BROKEN: Record<string, Document> = {
  'it has no id': documentOf(PATH, { name: TEXT }, ['name']),
  'it calls itself groupId': documentOf(PATH, { id: TEXT, groupId: TEXT }, ['id']),
  '{group} is no {groupId}': documentOf('/v1/groups/{group}', { id: TEXT }, ['id']),
  'Group.group is a reference': documentOf(PATH, { id: TEXT, group: TEXT }, ['id']),
  'Group.groupRef is a reference': documentOf(PATH, { id: TEXT, groupRef: TEXT }, ['id']),
  'Group.groups is a reference': documentOf(PATH, { id: TEXT, groups: { items: TEXT } }, ['id']),
};

for (const [what, document] of Object.entries(BROKEN)) {
  test(`a document is found out in which: ${what}`, (t) => {
    t.true(misnamed(document).join('\n').includes(what), misnamed(document).join('\n'));
  });
}

import { z } from 'zod';
import { boundedSchema } from '#platform/validation/attributes.ts';
import { commandRoute } from '../commands/route.ts';
import type { RequestGateway } from '../gateway.ts';
import { requireAllowed } from '../http/authorize.ts';
import { etagHeader, tagged } from '../http/etag.ts';
import { route } from '../http/route.ts';

const EXAMPLE = boundedSchema.meta()?.examples?.[0];

const memberSchemaSchema = z
  .strictObject({
    schema: z.record(z.string(), z.unknown()).meta({ description: 'A JSON Schema (2020-12) of an object' }),
    updatedAt: z.iso.datetime().optional().meta({ description: 'Absent: nobody has set one, and members have no attributes' }),
  })
  .meta({ id: 'MemberSchema', examples: [{ schema: EXAMPLE, updatedAt: '2026-11-26T08:00:00.000Z' }] });

const one = { schema: memberSchemaSchema, headers: etagHeader };
/** The one that members are held to, among those that there may be one day. */
const ID = 'member';
const anyMember = () => ({ type: 'Member', id: '' });
/** What it takes to read it. */
const READING = { action: 'member.list', resource: anyMember() } as const;

const getMemberSchema = route({
  method: 'GET',
  path: '/v1/member-schema',
  tag: 'Members',
  operationId: 'getMemberSchema',
  summary: 'What the attributes of members must be',
  action: READING.action,
  resource: () => READING.resource,
  responses: { 200: { ...one, description: 'The schema' } },
  handle: (_, gateway) => readSchema(gateway),
});

const setSchema = commandRoute({
  command: 'member.set-schema',
  method: 'PUT',
  path: '/v1/member-schema',
  tag: 'Members',
  operationId: 'setSchema',
  summary: 'Set what the attributes of members must be',
  description:
    'Members that do not fit it stay as they are, and are held to it with their next change. References (`$ref`) can not be used, and patterns are those of RE2, which no text makes slow.',
  resource: anyMember,
  body: z.strictObject({ schema: boundedSchema }).meta({ id: 'NewMemberSchema', examples: [{ schema: EXAMPLE }] }),
  conditional: true,
  aggregateId: () => ID,
  input: ({ id, body: { schema }, version }) => ({ schemaId: id, schema, ...version }),
  about: () => 'Set the schema of members',
  responses: { 200: { ...one, description: 'The schema, which is in force' } },
  problems: ['INVALID_MEMBER_SCHEMA', 'MEMBER_SCHEMA_BUSY'],
  async answer(_, gateway, { accessToken }) {
    await requireAllowed(gateway, { accessToken, ...READING });
    return await readSchema(gateway);
  },
});

async function readSchema(gateway: RequestGateway) {
  const { schema = {}, version, updatedAt } = await gateway.query.getMemberSchema({});
  const body = { schema, ...(updatedAt ? { updatedAt: updatedAt.toISOString() } : {}) };
  return tagged(version, body);
}

export const memberSchemaRoutes = [getMemberSchema, setSchema];

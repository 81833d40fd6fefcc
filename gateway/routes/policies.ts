import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import { cedarText, policyActions, policyEffect, policyResources, roleName } from '#platform/validation/access-fields.ts';
import { isId } from '#platform/validation/id.ts';
import { CEDAR_SCHEMA } from '#proto/musubi/auth/v1/actions.ts';
import { Effect, type SimplePolicy } from '#proto/musubi/role/v1/role.ts';
import { repeatableHeaders } from '../commands/carry-out.ts';
import { commandRoute, type Reader } from '../commands/route.ts';
import type { RequestGateway } from '../gateway.ts';
import { seenOf } from '../http/authorize.ts';
import { etagHeader, tagged } from '../http/etag.ts';
import { pageOf, pageSchema, paging } from '../http/paging.ts';
import { type Principal, route } from '../http/route.ts';
import { EXAMPLE_ID, idOf, namedIdOf } from '../id.ts';
import { checkedResource, ownersOf } from './checked.ts';
import { decidedBy, deciding } from './decided.ts';
import { policySchema, policyShown } from './role-view.ts';

const policyId = { policyId: namedIdOf('policy') };
const one = { description: 'The policy', schema: policySchema, headers: etagHeader };
const policy = (id: string) => ({ type: 'Policy', id });

const CHANGING = ['POLICY_BUSY', 'BUILT_IN', 'EXCEEDS_OWN_PERMISSIONS'] as const;

/** A policy is written in one of two forms. */
const written = {
  cedar: cedarText.optional().meta({
    description:
      'One Cedar policy (https://docs.cedarpolicy.com) for the schema that `createPolicy` shows. Only administrators write it. Without it: effect, actions and resources',
  }),
  effect: policyEffect.optional().meta({ description: 'What is denied is denied whatever else is allowed' }),
  actions: policyActions.optional(),
  resources: policyResources.optional(),
};
type Written = z.output<z.ZodObject<typeof written>>;

/** What {@link inOneForm} finds, for who reads the document. */
const IN_ONE_FORM = {
  dependentRequired: { effect: ['actions', 'resources'], actions: ['effect', 'resources'], resources: ['effect', 'actions'] },
  not: { required: ['cedar', 'effect'] },
};

/** Adds what is wrong with the form: a policy is written in one of the two, whole. */
function inOneForm({ cedar, effect, actions, resources }: Written, context: z.RefinementCtx): void {
  const simple = Object.entries({ effect, actions, resources });
  const given = simple.filter(([, value]) => value !== undefined);
  const wrong = (field: string, message: string, code: string) =>
    context.addIssue({ code: 'custom', path: [field], message, params: { code } });
  if (cedar !== undefined) for (const [field] of given) wrong(field, 'must not come with cedar: write it in one form', 'INVALID');
  else if (given.length > 0)
    for (const [field, value] of simple) if (value === undefined) wrong(field, 'must come with the other two', 'REQUIRED');
}

/** What a policy says, as the saga is given it; nothing, where the body does not say. */
function formOf({ cedar, effect, actions, resources }: Written): { cedar?: string; simple?: SimplePolicy } {
  if (cedar !== undefined) return { cedar };
  if (!effect || !actions || !resources) return {};
  return { simple: { effect: effect === 'allow' ? Effect.EFFECT_ALLOW : Effect.EFFECT_DENY, actions, resources } };
}

const createPolicy = commandRoute({
  command: 'policy.create',
  method: 'POST',
  path: '/v1/policies',
  tag: 'Policies',
  operationId: 'createPolicy',
  summary: 'Make a policy',
  description: `It applies to nobody until a role carries it.

What Cedar can be about; IDs are UUIDs in lower case, or the words of what is built in:

\`\`\`cedar
${CEDAR_SCHEMA.trim()}
\`\`\``,
  resource: () => policy(''),
  body: z
    .strictObject({ name: roleName, ...written })
    .superRefine((body, context) => {
      inOneForm(body, context);
      const { cedar, effect, actions, resources } = body;
      if (cedar === undefined && !effect && !actions && !resources)
        context.addIssue({
          code: 'custom',
          path: ['cedar'],
          message: 'must be given, or else effect, actions and resources',
          params: { code: 'REQUIRED' },
        });
    })
    .meta({
      id: 'NewPolicy',
      description: 'What it says stands in `cedar`, or in `effect`, `actions` and `resources`.',
      ...IN_ONE_FORM,
      minProperties: 2,
      examples: [
        { name: 'Read members', effect: 'allow', actions: ['member.read', 'member.list'], resources: ['*'] },
        { name: 'Everything', cedar: 'permit (principal, action, resource);' },
      ],
    }),
  input: ({ id, body: { name, ...form } }) => ({ policyId: id, name, ...formOf(form) }),
  about: () => 'Make a policy',
  responses: { 201: { ...one, description: 'The policy is made', headers: { ...etagHeader, Location: 'The policy' } } },
  problems: ['INVALID_POLICY', 'POLICY_NOT_LISTABLE', 'NAME_TAKEN', 'EXCEEDS_OWN_PERMISSIONS'],
  async answer(id, gateway, reader) {
    const { body, headers } = await readPolicyFor(gateway, id, reader);
    return { status: 201 as const, body, headers: { ...headers, Location: `/v1/policies/${id}` } };
  },
});

const updatePolicy = commandRoute({
  command: 'policy.update',
  method: 'PATCH',
  path: '/v1/policies/{policyId}',
  tag: 'Policies',
  operationId: 'updatePolicy',
  summary: 'Change a policy',
  description: 'What it says then holds in all roles that carry it at once. Only an administrator changes what a role carries.',
  params: policyId,
  resource: ({ policyId }) => policy(policyId),
  body: z
    .strictObject({ name: roleName.optional(), ...written })
    .refine((changes) => Object.values(changes).some((value) => value !== undefined), {
      error: 'must change at least one field',
      params: { code: 'REQUIRED' },
    })
    .superRefine(inOneForm)
    .meta({
      id: 'PolicyChanges',
      description:
        'What is absent stays as it is. What it says is written anew as a whole: in `cedar`, or in `effect`, `actions` and `resources`.',
      ...IN_ONE_FORM,
      minProperties: 1,
      examples: [{ name: 'Read' }],
    }),
  conditional: true,
  aggregateId: ({ policyId }) => policyId,
  input: ({ id, body: { name, ...form }, version }) => ({ policyId: id, changes: { name, ...formOf(form) }, ...version }),
  about: ({ params, body }) => `Change ${Object.keys(body).join(', ')} of policy ${params.policyId}`,
  responses: { 200: { ...one, description: 'The policy as it is now' } },
  problems: ['INVALID_POLICY', 'POLICY_NOT_LISTABLE', 'NAME_TAKEN', 'LAST_ADMIN', ...CHANGING],
  answer: (id, gateway, reader) => readPolicyFor(gateway, id, reader),
});

const deletePolicy = commandRoute({
  command: 'policy.delete',
  method: 'DELETE',
  path: '/v1/policies/{policyId}',
  tag: 'Policies',
  operationId: 'deletePolicy',
  summary: 'Delete a policy that no role carries',
  params: policyId,
  resource: ({ policyId }) => policy(policyId),
  conditional: true,
  aggregateId: ({ policyId }) => policyId,
  input: ({ id, version }) => ({ policyId: id, ...version }),
  about: ({ params }) => `Delete policy ${params.policyId}`,
  responses: { 204: { description: 'The policy is gone' } },
  problems: ['POLICY_IN_USE', ...CHANGING],
  answer: async () => ({ status: 204 as const }),
});

const listPolicies = route({
  method: 'GET',
  path: '/v1/policies',
  tag: 'Policies',
  operationId: 'listPolicies',
  summary: 'List policies, by name',
  action: 'policy.list',
  filtered: true,
  resource: () => policy(''),
  query: paging,
  responses: { 200: { description: 'A page of policies', schema: pageSchema(policySchema, 'PolicyPage') } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ principal: { seen }, query: { pageSize, pageToken = '' } }, gateway) {
    const { policies, nextPageToken } = await gateway.query.listPolicies({ pageSize, pageToken, seen });
    return pageOf(policies.map(policyShown), nextPageToken);
  },
});

const getPolicy = route({
  method: 'GET',
  path: '/v1/policies/{policyId}',
  tag: 'Policies',
  operationId: 'getPolicy',
  summary: 'A policy',
  action: 'policy.read',
  filtered: true,
  params: policyId,
  resource: ({ params }) => policy(params.policyId),
  hiddenAs: 'POLICY_NOT_FOUND',
  responses: { 200: one },
  handle: ({ params, principal: { seen } }, gateway) => readPolicy(gateway, params.policyId, seen),
});

const simulate = route({
  method: 'POST',
  path: '/v1/policies:simulate',
  tag: 'Policies',
  operationId: 'simulatePolicies',
  summary: 'What would be allowed to a member, and by which policies',
  description: 'Nothing is done. A suspended member is looked at as if it was not. An unknown action or type is not allowed.',
  action: 'policy.simulate',
  resource: () => ({ type: 'System', id: '' }),
  headers: repeatableHeaders,
  body: z.strictObject({ memberId: idOf('member'), ...checkedResource.shape }).meta({
    id: 'Simulation',
    examples: [{ memberId: EXAMPLE_ID, action: 'member.update', resource: { type: 'Member', id: EXAMPLE_ID } }],
  }),
  responses: {
    200: {
      description: 'The decision',
      schema: z
        .strictObject({
          allowed: z.boolean(),
          ...deciding,
        })
        .meta({
          id: 'SimulationResult',
          examples: [{ allowed: true, policies: [{ policyId: 'admin.everything', roleId: 'admin', ties: [] }], positions: [] }],
        }),
    },
  },
  problems: ['MEMBER_NOT_FOUND'],
  async handle({ body: { memberId, action, resource }, accessToken }, gateway) {
    const { type, id = '' } = resource;
    const owners = await ownersOf(type === 'Job' && isId(id) ? [id] : [], gateway);
    const check = { action, resource: { type, id, ownerId: (type === 'Job' && owners[id]) || '' } };
    const { allowed, policies, positions } = await gateway.auth.simulate({ accessToken, memberId, check });
    return { status: 200 as const, body: { allowed, ...decidedBy({ policies, positions }) } };
  },
});

const readPolicyFor = async (gateway: RequestGateway, id: string, reader: Reader) =>
  await readPolicy(gateway, id, await seenOf(gateway, reader, 'policy.read', 'Policy', id));

async function readPolicy(gateway: RequestGateway, policyId: string, seen: Principal['seen']) {
  const { policy } = await gateway.query.getPolicy({ policyId, seen });
  if (!policy) throw internal('INTERNAL', 'Query answered without a policy');
  const body = policyShown(policy);
  return tagged(policy.version, body);
}

export const policyRoutes = [createPolicy, listPolicies, getPolicy, updatePolicy, deletePolicy, simulate];

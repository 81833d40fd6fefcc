import { z } from 'zod';
import { policyActions, policyEffect, policyResources } from '#platform/validation/access-fields.ts';
import type { PolicyView, RoleView } from '#proto/musubi/query/v1/query.ts';
import { Effect } from '#proto/musubi/role/v1/role.ts';
import { pageSchema } from '../http/paging.ts';
import { EXAMPLE_ID } from '../id.ts';
import { iso } from './time.ts';

// How roles and policies are shown.

const times = { createdAt: z.iso.datetime(), updatedAt: z.iso.datetime() };
const exampleTimes = { createdAt: '2026-11-25T09:30:00.000Z', updatedAt: '2026-11-25T09:30:00.000Z' };

export const roleSchema = z
  .strictObject({
    id: z.string().meta({ description: 'A UUID, or the word of a built-in role' }),
    name: z.string(),
    description: z.string(),
    builtIn: z.boolean().meta({ description: 'Part of every installation: it can not be changed or deleted' }),
    policyIds: z.array(z.string()),
    ...times,
  })
  .meta({
    id: 'Role',
    examples: [
      {
        id: EXAMPLE_ID,
        name: 'Editor',
        description: 'May change what others wrote',
        builtIn: false,
        policyIds: [],
        ...exampleTimes,
      },
    ],
  });

export const rolePageSchema = pageSchema(roleSchema, 'RolePage');

export function roleShown({ roleId, name, description, builtIn, policyIds, createdAt, updatedAt }: RoleView) {
  return { id: roleId, name, description, builtIn, policyIds, createdAt: iso(createdAt), updatedAt: iso(updatedAt) };
}

export const policySchema = z
  .strictObject({
    id: z.string().meta({ description: 'A UUID, or the words of a built-in policy' }),
    name: z.string(),
    cedar: z.string().meta({ description: 'What it says, as Cedar' }),
    effect: policyEffect
      .optional()
      .meta({ description: 'With actions and resources: as it was written; absent: it was written as Cedar' }),
    actions: policyActions.optional(),
    resources: policyResources.optional(),
    builtIn: z.boolean(),
    ...times,
  })
  .meta({
    id: 'Policy',
    examples: [
      {
        id: EXAMPLE_ID,
        name: 'Read members',
        cedar: 'permit (principal, action in [Musubi::Action::"member.read"], resource);',
        effect: 'allow',
        actions: ['member.read'],
        resources: ['*'],
        builtIn: false,
        ...exampleTimes,
      },
    ],
  });

export function policyShown({ policyId, name, cedar, simple, builtIn, createdAt, updatedAt }: PolicyView) {
  const written = simple && {
    effect: simple.effect === Effect.EFFECT_DENY ? ('deny' as const) : ('allow' as const),
    actions: simple.actions,
    resources: simple.resources,
  };
  return { id: policyId, name, cedar, ...written, builtIn, createdAt: iso(createdAt), updatedAt: iso(updatedAt) };
}

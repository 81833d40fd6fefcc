import { z } from 'zod';
import { name } from '#platform/validation/fields.ts';
import { sameId } from '#platform/validation/id.ts';
import { RESOURCE_TYPES } from '#proto/musubi/auth/v1/actions.ts';
import type { RequestGateway } from '../gateway.ts';

// What clients ask about permissions.

/** Names that this release does not know are no errors, so what it knows is no `enum`: `x-extensible-enum` says it. */
const resourceSchema = z
  .strictObject({
    type: name.meta({
      description: 'As `x-resource` of the operations names it',
      examples: ['Member'],
      'x-extensible-enum': [...new Set(Object.values(RESOURCE_TYPES).flat())],
    }),
    id: name
      .overwrite(sameId)
      .optional()
      .meta({ description: 'Absent: all of that type, or one that does not exist yet; for `job.list`, your own' }),
  })
  .meta({ id: 'CheckedResource' });

/** One question: an action, and what it is done to. */
export const checkedResource = z.strictObject({
  action: name.meta({
    description: 'As `x-action` of the operations names it',
    examples: ['member.update'],
    'x-extensible-enum': Object.keys(RESOURCE_TYPES),
  }),
  resource: resourceSchema,
});

/** Whose these jobs are, by Job's record; those that Job does not know are absent. */
export async function ownersOf(jobIds: readonly string[], { job }: RequestGateway): Promise<Record<string, string>> {
  if (jobIds.length === 0) return {};
  return (await job.getJobOwners({ jobIds: [...new Set(jobIds)] })).owners;
}

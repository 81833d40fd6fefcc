import { z } from 'zod';
import { type Action, RESOURCE_TYPES } from '#proto/musubi/auth/v1/actions.ts';
import { LONGEST_NAME, line } from './fields.ts';
import { MOST_GROUPS, SAME_NAME } from './group-fields.ts';

// What fields of positions may hold, whoever takes them (fields.ts).

/** How many positions a group has at most, with those that every group has. */
export const MOST_POSITIONS = 100;

/** To how many positions a member is bound at most, in all groups: so that it can lead each group that it is in, and be as much again. */
export const MOST_BINDINGS = 2 * MOST_GROUPS;

/** How many permissions a position has at most. */
export const MOST_PERMISSIONS = 100;

export const positionName = line(LONGEST_NAME).meta({
  description: `One of its kind among the positions of the group: ${SAME_NAME}`,
  examples: ['Treasurer'],
});

/** What a position can permit: all that is done to a group, or in it. */
export const GROUP_ACTIONS: readonly Action[] = (Object.keys(RESOURCE_TYPES) as Action[])
  .filter((action) => RESOURCE_TYPES[action].includes('Group'))
  .sort();

const permittedAction = z
  .enum(GROUP_ACTIONS as [Action, ...Action[]], {
    error: `must be what is done to a group or in it: one of ${GROUP_ACTIONS.join(', ')}`,
  })
  .meta({ description: 'What is done, as `x-action` of the operations names it', examples: ['group.update'] });

export const reach = z
  .enum(['here', 'subtree'], { error: 'must be here or subtree' })
  .meta({ description: '`here`: in the group; `subtree`: in all groups below it, too' });

export const permissions = z
  .array(z.strictObject({ action: permittedAction, reach: reach.default('here') }))
  .max(MOST_PERMISSIONS, `must have at most ${MOST_PERMISSIONS} entries`)
  .meta({
    description: 'What whoever is bound to it may do there. What is said twice is kept once.',
    examples: [[{ action: 'group.update', reach: 'here' }]],
  });

/** One thing that a position permits. */
export type Permission = z.output<typeof permissions>[number];

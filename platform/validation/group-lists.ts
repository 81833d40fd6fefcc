import type { FilterFields } from './filter.ts';
import { VISIBILITIES } from './group-fields.ts';

// What lists of groups, and of what is in them, can be filtered and ordered by. Only what who asks is shown: not a group's parent.

/** By which fields a list is filtered and ordered; the first order is the default. */
export interface ListFields<By extends string = string> {
  filter: FilterFields;
  orderBy: readonly [By, ...By[]];
}

const times = { createdAt: 'time', updatedAt: 'time' } as const;

export const GROUP_LIST = {
  filter: { name: 'text', visibility: VISIBILITIES, archived: 'flag', ...times },
  orderBy: ['name', 'createdAt', 'updatedAt'],
} as const satisfies ListFields;

export const GROUP_MEMBER_LIST = {
  filter: { displayName: 'text', joinedAt: 'time' },
  orderBy: ['displayName', 'joinedAt'],
} as const satisfies ListFields;

export const POSITION_LIST = {
  filter: { name: 'text', kind: ['custom', 'member', 'leader'], ...times },
  orderBy: ['name', 'createdAt', 'updatedAt'],
} as const satisfies ListFields;

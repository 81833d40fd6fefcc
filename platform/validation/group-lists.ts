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

// Who has asked to be let into a group, or is invited to it.

export const GROUP_REQUEST_LIST = {
  filter: { displayName: 'text', requestedAt: 'time' },
  orderBy: ['displayName', 'requestedAt'],
} as const satisfies ListFields;

export const GROUP_INVITATION_LIST = {
  filter: { displayName: 'text', inviterId: 'id', invitedAt: 'time', expiresAt: 'time' },
  orderBy: ['displayName', 'invitedAt', 'expiresAt'],
} as const satisfies ListFields;

// What a member is to groups: not all of them show their names, so these say nothing of the order.

export const MEMBER_REQUEST_LIST = {
  filter: { groupId: 'id', state: ['pending', 'declined'], requestedAt: 'time' },
  orderBy: ['groupId', 'requestedAt'],
} as const satisfies ListFields;

export const MEMBER_INVITATION_LIST = {
  filter: { groupId: 'id', inviterId: 'id', invitedAt: 'time', expiresAt: 'time' },
  orderBy: ['groupId', 'invitedAt', 'expiresAt'],
} as const satisfies ListFields;

export const MEMBER_EXPULSION_LIST = {
  filter: { groupId: 'id', expelledAt: 'time' },
  orderBy: ['groupId', 'expelledAt'],
} as const satisfies ListFields;

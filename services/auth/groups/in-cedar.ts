import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import { uid } from '../uid.ts';
import { isTo, type Place } from './group.ts';

// What a member is to a group, it is by holding a position of no name: it can be no other's.
const OF_GROUP = { members: 'member', leaders: 'leader', invited: 'invited' } as const;
const nameless = (attribute: string) => uid('Position', `/${attribute}`);

/** What Cedar is told of a group. */
export const groupAttributes = ({ findable }: Place): EntityJson['attrs'] => ({
  findable,
  ...Object.fromEntries(Object.keys(OF_GROUP).map((attribute) => [attribute, { __entity: nameless(attribute) }])),
});

/** The positions of no name that a member holds by what it is to a group. */
export const standingIn = (place: Place, action: string) =>
  Object.entries(OF_GROUP).flatMap(([attribute, relation]) => (isTo(place, relation, action) ? nameless(attribute) : []));

import { createHash } from 'node:crypto';

/**
 * What Auth has of groups, so that a permission in them is one look-up however deep they nest. No I/O.
 *
 * - group: where it is (its path), and the positions that there are in it
 * - position: what its holders may do there; every member of a group holds the one of the kind `member`
 */

/** What a position permits. `here`: in its group; `subtree`: in all groups below it, too. */
export interface Permission {
  action: string;
  reach: 'here' | 'subtree';
}

export interface Position {
  id: string;
  /** `member`: everybody in the group holds it. `leader`: who holds it leads the group. Null: one of the group's own. */
  kind: 'member' | 'leader' | null;
  permissions: Permission[];
}

export interface Group {
  /** The group ID. */
  _id: string;
  /** The IDs of the groups that it is in, the whole organisation's first and its own last. */
  path: string[];
  /** Whether everybody finds it. */
  findable: boolean;
  positions: Position[];
  /** Grows with every change of what is above; at least 1. */
  version: number;
  /** How often something was put below it: who moves it, and who does that, then meet here. */
  placed?: number;
  /** The job that removes it: nothing is granted in it any more. */
  removedBy?: string;
}

/** What a member is to a group: in it, invited to it or neither, and bound to these of its positions. */
export interface Standing {
  memberId: string;
  isMember: boolean;
  isInvited: boolean;
  positionIds: string[];
}

/** A group that a member is in, with the positions that it holds there. */
export interface Ground {
  groupId: string;
  positions: readonly Position[];
  /** The group's; absent: not asked for. */
  version?: number | undefined;
}

/** A group that something is asked about, and what the member who asks is to it. */
export interface Place {
  id: string;
  findable: boolean;
  /** Those of the groups that it is in, itself among them, which policies mention. */
  named: readonly string[];
  isInvited: boolean;
  /** The groups on its path that the member is in. */
  grounds: readonly Ground[];
  /** The group's own; absent: not asked for. */
  version?: number | undefined;
}

/** All groups that a member is in, or could be in. */
export interface Everywhere {
  grounds: readonly Ground[];
  invitedTo: readonly string[];
}

/** What a member is to a group, as policies ask for it. */
export type Relation = 'member' | 'leader' | 'invited' | 'granted';

/** A group that nobody knows: nobody is anything to it. */
export const nowhere = (id: string): Place => ({ id, findable: false, named: [], isInvited: false, grounds: [] });

const leads = ({ positions }: Ground): boolean => positions.some(({ kind }) => kind === 'leader');

const reachesFrom = ({ positions }: Ground, action: string, reach?: Permission['reach']): boolean =>
  positions.some(({ permissions }) =>
    permissions.some((one) => one.action === action && (reach === undefined || one.reach === reach)),
  );

/**
 * Stands for all that a decision on a group goes by and that changes without anything being done to the member itself: the policies of its roles, where
 * the group is, and what positions permit there and in those above that it is in. Each has a version that only grows, so no stamp comes again.
 */
export function stampOf({ version, grounds }: Place, roles: readonly { _id: string; version: number }[]): string {
  const named = [
    ...grounds.map(({ groupId, version }) => `${groupId} ${version}`),
    ...roles.map(({ _id, version }) => `${_id} ${version}`),
  ];
  return createHash('sha256')
    .update([version, ...named.sort()].join(String.fromCharCode(10)))
    .digest('base64url')
    .slice(0, 22);
}

/** Whether the member is this to the group: of leading and what is granted, also from above. */
export function isTo({ id, isInvited, grounds }: Place, relation: Relation, action: string): boolean {
  switch (relation) {
    case 'member':
      return grounds.some(({ groupId }) => groupId === id);
    case 'leader':
      return grounds.some(leads);
    case 'invited':
      return isInvited;
    case 'granted':
      return grounds.some((ground) => reachesFrom(ground, action, ground.groupId === id ? undefined : 'subtree'));
  }
}

/** The positions that grant an action in a group, each with the group where the member holds it. */
export const grantedBy = ({ id, grounds }: Place, action: string): { positionId: string; groupId: string }[] =>
  grounds.flatMap(({ groupId, positions }) =>
    positions
      .filter((one) => reachesFrom({ groupId, positions: [one] }, action, groupId === id ? undefined : 'subtree'))
      .map((one) => ({ positionId: one.id, groupId })),
  );

/** Those to which a member is something: `ids` themselves, and `below` with all that is in them. */
export function allOfRelation(
  { grounds, invitedTo }: Everywhere,
  relation: Relation,
  action: string,
): { ids: string[]; below: string[] } {
  const groups = (...those: readonly Ground[]): string[] => those.map(({ groupId }) => groupId);
  switch (relation) {
    case 'member':
      return { ids: groups(...grounds), below: [] };
    case 'leader':
      return { ids: [], below: groups(...grounds.filter(leads)) };
    case 'invited':
      return { ids: [...invitedTo], below: [] };
    case 'granted': {
      const below = grounds.filter((ground) => reachesFrom(ground, action, 'subtree'));
      return {
        ids: groups(...grounds.filter((one) => !below.includes(one) && reachesFrom(one, action))),
        below: groups(...below),
      };
    }
  }
}

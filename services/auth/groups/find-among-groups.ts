import { ROOT } from '#platform/validation/group-fields.ts';
import type { MemberStatus } from '../domain.ts';
import type { RoleVersion } from '../policy-sets.ts';
import { type Asked, holds, inAny, membersAsked, orNone, type Standing, sessionsAsked, type Wanted } from '../standing.ts';
import type { Store } from '../store.ts';
import type { Ground, Group, Place, Position } from './group.ts';

interface Found {
  _id: string;
  status: MemberStatus;
  roleIds: string[];
  sessionIds: string[];
  roles: RoleVersion[];
  /** Of the positions that it holds, those that policies of its roles mention. */
  positionIds: string[];
  invitedTo: string[];
  /** The groups that are asked about, each with the IDs of those on its path. */
  asked: (Pick<Group, '_id' | 'findable' | 'version'> & Pick<Place, 'named'> & { grounds: string[] })[];
  /** The groups on all those paths that the member is in, with the positions that it holds there. */
  grounds: Pick<Group, '_id' | 'positions' | 'version'>[];
}

/** The IDs that are in both, as an expression. */
const both = (some: unknown, others: unknown) => ({ $setIntersection: [some, others] });

/**
 * What holds of sessions, of the groups that are asked about, and of what their members are to these: one look-up. What comes back of a
 * group's path is only what the member is in or policies of its roles mention, so it costs the same however deep the group is; and of
 * positions only what they grant of what is asked about, so nobody makes it dear by what a member is bound to.
 */
export async function findAmongGroups(
  { members, clock }: Pick<Store, 'members' | 'clock'>,
  asked: readonly Asked[],
  wanted: Wanted,
): Promise<(Standing | undefined)[]> {
  const groupIds = [...new Set(asked.flatMap(({ about }) => about.groups))];
  const pairs = asked.flatMap(({ memberId, about }) => about.groups.map((id) => `${memberId}/${id}`));
  const actions = asked.every(({ about }) => about.actions) ? asked.flatMap(({ about }) => about.actions ?? []) : undefined;
  const everywhere = asked.flatMap(({ memberId, about }) => (about.everywhere ? [memberId] : []));
  const found = await members
    .aggregate<Found>([
      { $match: { _id: { $in: membersAsked(asked) } } },
      {
        $lookup: {
          from: 'roles',
          localField: 'roleIds',
          foreignField: '_id',
          pipeline: [{ $project: { version: 1, mentioned: 1 } }],
          as: 'roles',
        },
      },
      {
        $lookup: {
          from: 'groups',
          pipeline: [{ $match: { _id: { $in: groupIds }, removedBy: null } }, { $project: { path: 1, findable: 1, version: 1 } }],
          as: 'asked',
        },
      },
      {
        $set: {
          asked: {
            $filter: { input: '$asked', cond: { $in: [{ $concat: ['$_id', '/', '$$this._id'] }, { $literal: pairs }] } },
          },
          // Everybody is in the whole organisation.
          in: { $concatArrays: [[ROOT], orNone('$groupIds')] },
          mentioned: inAny('$roles.mentioned'),
        },
      },
      {
        $set: {
          asked: {
            $map: {
              input: '$asked',
              in: {
                _id: '$$this._id',
                findable: '$$this.findable',
                version: '$$this.version',
                named: both('$mentioned', '$$this.path'),
                grounds: both('$in', '$$this.path'),
              },
            },
          },
        },
      },
      { $set: { grounds: { $cond: [{ $in: ['$_id', { $literal: everywhere }] }, '$in', inAny('$asked.grounds')] } } },
      {
        $lookup: {
          from: 'groups',
          localField: 'grounds',
          foreignField: '_id',
          let: { held: orNone('$positionIds') },
          pipeline: [{ $match: { removedBy: null } }, { $project: { positions: heldOf(actions), version: 1 } }],
          as: 'grounds',
        },
      },
      {
        $project: {
          status: 1,
          roleIds: 1,
          sessionIds: sessionsAsked(asked, new Date(clock.now())),
          'roles._id': 1,
          'roles.version': 1,
          positionIds: both('$mentioned', orNone('$positionIds')),
          invitedTo: orNone('$invitedTo'),
          asked: 1,
          grounds: 1,
        },
      },
    ])
    .toArray();
  const byId = new Map(found.map((member) => [member._id, member]));
  return asked.map(({ memberId, sessionId, about }) => {
    const member = byId.get(memberId);
    if (!member || !holds(member, sessionId, wanted)) return undefined;
    const { roles, positionIds, invitedTo } = member;
    return {
      roles: member.roleIds.flatMap((roleId) => roles.find(({ _id }) => _id === roleId) ?? []),
      rolesOf: new Map(about.members.map((id) => [id, byId.get(id)?.roleIds ?? []])),
      places: new Map(about.groups.flatMap((id) => placeOf(member, id))),
      positionIds,
      everywhere: about.everywhere ? { invitedTo, grounds: member.grounds.map(groundOf) } : undefined,
    };
  });
}

/** Whether a member holds a position: that of all members, or one that it is bound to. */
const IS_HELD = { $or: [{ $eq: ['$$this.kind', 'member'] }, { $in: ['$$this.id', '$$held'] }] };

/** The positions that a member holds, which grant one of these actions, or lead; undefined: whatever they grant. */
function heldOf(actions: readonly string[] | undefined): object {
  if (!actions) return { $filter: { input: '$positions', cond: IS_HELD } };
  const asked = { $literal: [...new Set(actions)] };
  const grants = { $gt: [{ $size: { $setIntersection: ['$$this.permissions.action', asked] } }, 0] };
  const cond = { $and: [{ $or: [{ $eq: ['$$this.kind', 'leader'] }, grants] }, IS_HELD] };
  const permissions = { $filter: { input: '$$this.permissions', as: 'one', cond: { $in: ['$$one.action', asked] } } };
  const narrowed = { id: '$$this.id', kind: '$$this.kind', permissions };
  return { $map: { input: { $filter: { input: '$positions', cond } }, in: narrowed } };
}

const groundOf = ({ _id, positions, version }: Pick<Group, '_id' | 'version'> & { positions: readonly Position[] }): Ground => ({
  ...{ groupId: _id, positions, version },
});

function placeOf({ asked, grounds, invitedTo }: Found, id: string): [string, Place][] {
  const group = asked.find(({ _id }) => _id === id);
  if (!group) return [];
  const { findable, named, version } = group;
  const on = grounds.filter(({ _id }) => group.grounds.includes(_id)).map(groundOf);
  return [[id, { id, findable, named, isInvited: invitedTo.includes(id), grounds: on, version }]];
}

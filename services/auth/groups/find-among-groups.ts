import { ROOT } from '#platform/validation/group-fields.ts';
import type { MemberStatus } from '../domain.ts';
import type { RoleVersion } from '../policy-sets.ts';
import {
  type Asked,
  holds,
  inAny,
  membersAsked,
  orNone,
  type SessionFacts,
  sessionsAsked,
  TENURES,
  type Wanted,
} from '../session-facts.ts';
import type { Store } from '../store.ts';
import type { Ground, Group, Place } from './group.ts';

interface Found {
  members: {
    _id: string;
    status: MemberStatus;
    roleIds: string[];
    sessionIds: string[];
    tenures: number;
    /** Of the positions that it holds, those that policies mention, and those of the grounds. */
    positionIds: string[];
    invitedTo: string[];
    /** The groups that it is in: all, where that is asked for; otherwise those only that are on the path of a group that is asked about. */
    in: string[];
  }[];
  /** Of all those members; `mentioned`: what the policies of a role name of the groups on those paths, and of the positions that are held. */
  roles: (RoleVersion & { mentioned?: string[] })[];
  /** The groups that are asked about, each with those on its path that policies mention, and those that somebody is in. */
  asked: (Pick<Group, '_id' | 'findable' | 'version'> & { named: string[]; grounds: string[] })[];
  /** The groups that those members are in, with the positions that any of them holds there. */
  grounds: Pick<Group, '_id' | 'positions' | 'version'>[];
}

/** The IDs that are in both, as an expression. */
const both = (some: unknown, others: unknown) => ({ $setIntersection: [some, others] });
/** Every document of a list with some fields set, as an expression. */
const ofEach = (list: string, fields: object) => ({ $map: { input: list, in: { $mergeObjects: ['$$this', fields] } } });

/**
 * What holds of sessions, of the groups that are asked about, and of what their members are to these: one look-up, in which those who ask at
 * the same time share all but their own record. What comes back of a group's path is only what members are in or policies of their roles mention, so it
 * costs the same however deep the group is; of positions only those that they hold, and what these grant of what is asked about; and of invitations only
 * those to the groups that are asked about: so nobody makes it dear by what a member is bound or invited to.
 */
export async function findAmongGroups(
  { members, clock }: Pick<Store, 'members' | 'clock'>,
  asked: readonly Asked[],
  wanted: Wanted,
): Promise<(SessionFacts | undefined)[]> {
  const groupIds = [...new Set(asked.flatMap(({ about }) => about.groups))];
  const actions = asked.every(({ about }) => about.actions) ? asked.flatMap(({ about }) => about.actions ?? []) : undefined;
  const everywhere = asked.flatMap(({ memberId, about }) => (about.everywhere ? [memberId] : []));
  const isList = everywhere.length > 0;
  const isAsked = { $match: { _id: { $in: groupIds }, removedBy: null } };
  const [found] = await members
    .aggregate<Found>([
      { $match: { _id: { $in: membersAsked(asked) } } },
      {
        $group: {
          _id: null,
          members: {
            $push: {
              _id: '$_id',
              status: '$status',
              roleIds: '$roleIds',
              sessionIds: sessionsAsked(asked, new Date(clock.now())),
              tenures: TENURES,
              positionIds: orNone('$positionIds'),
              invitedTo: isList ? orNone('$invitedTo') : both(orNone('$invitedTo'), { $literal: groupIds }),
              // Everybody is in the whole organisation.
              in: { $concatArrays: [[ROOT], orNone('$groupIds')] },
            },
          },
        },
      },
      {
        $lookup: {
          from: 'roles',
          localField: 'members.roleIds',
          foreignField: '_id',
          pipeline: [{ $project: { version: 1, mentioned: 1 } }],
          as: 'roles',
        },
      },
      {
        $lookup: {
          from: 'groups',
          pipeline: [isAsked, { $project: { path: 1, findable: 1, version: 1 } }],
          as: 'asked',
        },
      },
      { $set: { paths: inAny('$asked.path') } },
      {
        $set: {
          mentioned: inAny('$roles.mentioned'),
          members: ofEach('$members', {
            in: { $cond: [{ $in: ['$$this._id', { $literal: everywhere }] }, '$$this.in', both('$$this.in', '$paths')] },
          }),
        },
      },
      // Of all groups that a member is in, what it holds there: there may be a hundred positions in each.
      ...(isList ? [{ $set: { held: inAny('$members.positionIds') } }] : []),
      {
        $lookup: {
          from: 'groups',
          localField: 'members.in',
          foreignField: '_id',
          ...(isList ? { let: { held: '$held' } } : {}),
          pipeline: [
            { $match: { removedBy: null } },
            { $project: { positions: grantingOf(actions), version: 1 } },
            ...(isList ? [{ $set: { positions: heldOf('$positions', '$$held') } }] : []),
          ],
          as: 'grounds',
        },
      },
      {
        $set: {
          asked: ofEach('$asked', {
            path: [],
            named: both('$mentioned', '$$this.path'),
            grounds: both('$grounds._id', '$$this.path'),
          }),
        },
      },
      ...(isList ? [] : NARROWED),
      {
        $project: {
          ...{ members: 1, asked: 1, grounds: 1 },
          roles: ofEach('$roles', {
            mentioned: both(orNone('$$this.mentioned'), { $setUnion: ['$held', inAny('$asked.named')] }),
          }),
        },
      },
    ])
    .toArray();
  const byId = new Map(found?.members.map((member) => [member._id, member]));
  const roles = new Map(found?.roles.map((role) => [role._id, role]));
  const places = new Map(found?.asked.map((group) => [group._id, group]));
  const grounds = new Map(found?.grounds.map((ground) => [ground._id, ground]));
  return asked.map(({ memberId, sessionId, about }) => {
    const member = byId.get(memberId);
    if (!member || !holds(member, sessionId, wanted)) return undefined;
    const own = member.roleIds.flatMap((roleId) => roles.get(roleId) ?? []);
    const mentioned = new Set(own.flatMap((role) => role.mentioned ?? []));
    const [inside, held] = [new Set(member.in), new Set(member.positionIds)];
    const groundsOf = (ids: readonly string[]): Ground[] => ids.flatMap((id) => groundOf(grounds.get(id), held) ?? []);
    const placeOf = (id: string): [string, Place][] => {
      const group = places.get(id);
      if (!group) return [];
      const { findable, version } = group;
      const on = groundsOf(group.grounds.filter((one) => inside.has(one)));
      const named = group.named.filter((one) => mentioned.has(one));
      return [[id, { id, findable, named, isInvited: member.invitedTo.includes(id), grounds: on, version }]];
    };
    return {
      roles: own.map(({ _id, version }) => ({ _id, version })),
      rolesOf: new Map(about.members.map((id) => [id, byId.get(id)?.roleIds ?? []])),
      places: new Map(about.groups.flatMap(placeOf)),
      positionIds: member.positionIds.filter((id) => mentioned.has(id)),
      everywhere: about.everywhere ? { invitedTo: member.invitedTo, grounds: groundsOf(member.in) } : undefined,
      tenures: member.tenures,
    };
  });
}

/** Of positions, those that any of the members holds: that of all in its group, or one of these. */
const heldOf = (positions: string, held: string): object => ({
  $filter: { input: positions, as: 'one', cond: { $or: [{ $eq: ['$$one.kind', 'member'] }, { $in: ['$$one.id', held] }] } },
});

/** Leaves of what members hold only what policies mention, or grants something that is asked about. */
const NARROWED = [
  {
    $set: {
      members: ofEach('$members', {
        positionIds: both('$$this.positionIds', { $setUnion: ['$mentioned', inAny('$grounds.positions.id')] }),
      }),
    },
  },
  { $set: { held: inAny('$members.positionIds') } },
  { $set: { grounds: ofEach('$grounds', { positions: heldOf('$$this.positions', '$held') }) } },
];

/** The positions that grant one of these actions, or lead, with no other permissions; undefined: all, with whatever they grant. */
function grantingOf(actions: readonly string[] | undefined): object | 1 {
  if (!actions) return 1;
  const asked = { $literal: [...new Set(actions)] };
  const grants = { $gt: [{ $size: both('$$this.permissions.action', asked) }, 0] };
  const cond = { $or: [{ $eq: ['$$this.kind', 'leader'] }, grants] };
  const permissions = { $filter: { input: '$$this.permissions', as: 'one', cond: { $in: ['$$one.action', asked] } } };
  return {
    $map: { input: { $filter: { input: '$positions', cond } }, in: { id: '$$this.id', kind: '$$this.kind', permissions } },
  };
}

/** What a member holds in a group that it is in. Undefined: nothing is known of the group any more. */
const groundOf = (group: Found['grounds'][number] | undefined, held: ReadonlySet<string>): Ground | undefined =>
  group && {
    groupId: group._id,
    positions: group.positions.filter(({ id, kind }) => kind === 'member' || held.has(id)),
    version: group.version,
  };

import { invalidFields } from '#platform/errors.ts';
import { PAGE, type Which } from '#platform/state.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type {
  ListGroupsBelowResponse,
  ListGroupsResponse,
  ListLoginsResponse,
  ListRolesResponse,
  ListStandingsRequest,
  ListStandingsResponse,
  StandingCopy,
} from '#proto/musubi/auth/v1/auth.ts';
import type { Member } from '../domain.ts';
import { grantOf } from '../groups/store.ts';
import { findPage } from '../page.ts';
import { readLogins, type Store } from '../store.ts';

interface Asked {
  afterId: string;
  limit: number;
}

/** What Auth has of members: no password, no session. */
export async function listLogins(
  store: Store,
  { memberIds, ...asked }: Asked & { memberIds: string[] },
): Promise<ListLoginsResponse> {
  const logins = await readLogins(store, which(asked, memberIds));
  return { logins: logins.map(({ _id: memberId, ...login }) => ({ memberId, ...login })) };
}

export async function listRoles(
  { roles }: Store,
  { roleIds, ...asked }: Asked & { roleIds: string[] },
): Promise<ListRolesResponse> {
  const found = await findPage(roles, which(asked, roleIds)).toArray();
  return { roles: found.map(({ _id: roleId, policies, version }) => ({ roleId, policies: policies ?? [], version })) };
}

/** Where groups are, and which positions there are in them. One that a job removes is not told of: nothing is granted there. */
export async function listGroups(
  { groups }: Store,
  { groupIds, ...asked }: Asked & { groupIds: string[] },
): Promise<ListGroupsResponse> {
  const found = await findPage(groups, which(asked, groupIds), { removedBy: { $exists: false } }).toArray();
  return {
    groups: found.map(({ _id: groupId, path, findable, positions, version }) => ({
      groupId,
      path,
      findable,
      positions: positions.map(grantOf),
      version,
    })),
  };
}

/** So many are told at once. */
const BELOW_AT_ONCE = 1_000;

/** Which groups are below one, and which it is in itself. One that a job removes still is where it was. */
export async function listGroupsBelow(
  { groups }: Pick<Store, 'groups'>,
  { groupId, afterId }: { groupId: string; afterId: string },
): Promise<ListGroupsBelowResponse> {
  const below = { path: groupId, _id: { $gt: afterId, $ne: groupId } };
  const [group, found] = await Promise.all([
    groups.findOne({ _id: groupId }, { projection: { path: 1 } }),
    groups
      .find(below, { projection: { _id: 1 } })
      .sort({ _id: 1 })
      .limit(BELOW_AT_ONCE)
      .toArray(),
  ]);
  return { groupIds: found.map(({ _id }) => _id), parentId: group?.path.at(-2) };
}

type Standings = Required<Pick<Member, 'groupIds' | 'positionIds' | 'invitedTo' | 'standings'>> & { memberId: string };

/** In place of a group: of the positions that no group has. */
const NOWHERE = '';

/** What members are in groups: in all that Auth has of them, or in certain ones. A policy may go by what they are bound to in groups that they are not in. */
export async function listStandings(store: Store, { memberIds, ids }: ListStandingsRequest): Promise<ListStandingsResponse> {
  for (const [field, asked] of Object.entries({ memberIds, ids })) requireFew(field, asked);
  const pairs = ids.map((id) => id.split('.', 2));
  const members = await findStandings(store, [...new Set([...memberIds, ...pairs.map(([, memberId = '']) => memberId)])]);
  const placesOf = await findPlaces(store, [...members.values()]);
  const asked = [
    ...memberIds.flatMap((memberId) => (placesOf.get(memberId)?.groupIds ?? []).map((groupId) => [groupId, memberId])),
    ...pairs,
  ];
  const bindable = await findPositions(store, [...new Set(asked.map(([groupId = '']) => groupId))]);
  return {
    standings: asked.flatMap(([groupId = '', memberId = '']): StandingCopy | [] => {
      const member = members.get(memberId);
      if (!member) return [];
      const { groupIds, positionIds, invitedTo, standings: version } = member;
      if (groupId === NOWHERE) {
        const strays = placesOf.get(memberId)?.strays ?? [];
        return { groupId, memberId, isMember: false, isInvited: false, positionIds: strays, version };
      }
      const isMember = groupId === ROOT || groupIds.includes(groupId);
      const bound = (bindable.get(groupId) ?? []).filter((id) => positionIds.includes(id));
      return { groupId, memberId, isMember, isInvited: invitedTo.includes(groupId), positionIds: bound, version };
    }),
  };
}

async function findStandings({ members }: Store, memberIds: readonly string[]): Promise<Map<string, Standings>> {
  const projection = { groupIds: 1, positionIds: 1, invitedTo: 1, standings: 1 };
  const found = await members.find({ _id: { $in: [...memberIds] } }, { projection }).toArray();
  return new Map(
    found.map(({ _id: memberId, groupIds = [], positionIds = [], invitedTo = [], standings = 0 }) => [
      memberId,
      { memberId, groupIds, positionIds, invitedTo, standings },
    ]),
  );
}

/** In which groups each member is something, and to which positions of no group it is bound. */
async function findPlaces(
  { groups }: Store,
  members: readonly Standings[],
): Promise<Map<string, { groupIds: string[]; strays: string[] }>> {
  const held = [...new Set(members.flatMap(({ positionIds }) => positionIds))];
  const found = await groups.find({ 'positions.id': { $in: held } }, { projection: { 'positions.id': 1 } }).toArray();
  const groupsOf = new Map<string, string[]>();
  for (const { _id, positions } of found) for (const { id } of positions) groupsOf.set(id, [...(groupsOf.get(id) ?? []), _id]);
  return new Map(
    members.map(({ memberId, groupIds, positionIds, invitedTo }) => {
      const strays = positionIds.filter((id) => !groupsOf.has(id));
      const bound = positionIds.flatMap((id) => groupsOf.get(id) ?? []);
      const nowhere = strays.length > 0 ? [NOWHERE] : [];
      return [memberId, { groupIds: [...new Set([ROOT, ...groupIds, ...invitedTo, ...bound, ...nowhere])], strays }];
    }),
  );
}

/** The positions of groups to which members can be bound. */
async function findPositions({ groups }: Store, groupIds: readonly string[]): Promise<Map<string, string[]>> {
  const found = await groups.find({ _id: { $in: [...groupIds] } }, { projection: { positions: 1 } }).toArray();
  return new Map(found.map(({ _id, positions }) => [_id, positions.flatMap(({ id, kind }) => (kind === 'member' ? [] : [id]))]));
}

function requireFew(field: string, ids: readonly string[]): void {
  if (ids.length > PAGE) throw invalidFields([{ field, message: `must have at most ${PAGE} entries` }]);
}

function which({ afterId, limit }: Asked, ids: readonly string[]): Which {
  if (ids.length > 0) {
    requireFew('ids', ids);
    return { ids };
  }
  if (limit < 1 || limit > PAGE) throw invalidFields([{ field: 'limit', message: `must be 1 to ${PAGE}` }]);
  return { after: afterId, limit };
}

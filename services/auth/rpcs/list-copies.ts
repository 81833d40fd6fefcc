import { invalidFields } from '#platform/errors.ts';
import { PAGE, type Which } from '#platform/state.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type {
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

type Standings = Required<Pick<Member, 'groupIds' | 'positionIds' | 'standings'>> & { memberId: string };

/** What members are in groups: in all that Auth has of them, or in certain ones. */
export async function listStandings(store: Store, { memberIds, ids }: ListStandingsRequest): Promise<ListStandingsResponse> {
  for (const [field, asked] of Object.entries({ memberIds, ids })) requireFew(field, asked);
  const pairs = ids.map((id) => id.split('.', 2));
  const members = await findStandings(store, [...new Set([...memberIds, ...pairs.map(([, memberId = '']) => memberId)])]);
  const asked = [
    ...memberIds.flatMap((memberId) => [ROOT, ...(members.get(memberId)?.groupIds ?? [])].map((groupId) => [groupId, memberId])),
    ...pairs,
  ];
  const bindable = await findPositions(store, [...new Set(asked.map(([groupId = '']) => groupId))]);
  return {
    standings: asked.flatMap(([groupId = '', memberId = '']): StandingCopy | [] => {
      const member = members.get(memberId);
      if (!member) return [];
      const { groupIds, positionIds, standings: version } = member;
      const isMember = groupId === ROOT || groupIds.includes(groupId);
      const bound = (bindable.get(groupId) ?? []).filter((id) => positionIds.includes(id));
      return { groupId, memberId, isMember, positionIds: bound, version };
    }),
  };
}

async function findStandings({ members }: Store, memberIds: readonly string[]): Promise<Map<string, Standings>> {
  const projection = { groupIds: 1, positionIds: 1, standings: 1 };
  const found = await members.find({ _id: { $in: [...memberIds] } }, { projection }).toArray();
  return new Map(
    found.map(({ _id: memberId, groupIds = [], positionIds = [], standings = 0 }) => [
      memberId,
      { memberId, groupIds, positionIds, standings },
    ]),
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

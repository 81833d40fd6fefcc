import { MongoClient } from 'mongodb';
import { ROOT } from '../../platform/validation/group-fields.ts';
import type { Group } from '../../services/auth/groups/group.ts';
import { address } from '../client.ts';
import { rows } from '../evidence.ts';
import { type GroupState, linesOf, type State } from './model.ts';

// What the stores have of an organisation: Group and Position, Auth's copies, and what queries are made from.

interface Found {
  /** As Group and Position have it. */
  state: State;
  /** What Auth or the read models have otherwise, and what jobs that have ended still hold. */
  differences: string[];
}

interface Permission {
  action: string;
  reach: string;
}

/** Queries keep the contract's names. */
const plain = (text: string): string => text.replace(/^(REACH|VISIBILITY)_/, '').toLowerCase();

const permissionsText = (permissions: readonly Permission[]): string =>
  permissions
    .map(({ action, reach }) => `${action} ${plain(reach)}`)
    .sort()
    .join();

type Bound = { member_id: string; group_id: string; position_id: string };
type Row<Fields> = Fields & Record<string, unknown>;
const idList = (ids: readonly string[]): string => ids.map((id) => `'${id}'`).join() || "''";

/** What there is of these groups. @param memberIds all who are ever in them */
export async function readOrganisation(groupIds: readonly string[], memberIds: readonly string[]): Promise<Found> {
  const those = `group_id in (${idList(groupIds)})`;
  const read = <Fields>(database: string, query: string) => rows(database, query) as Promise<Row<Fields>[]>;
  const ofPosition = 'select position_id as id, group_id, name, kind, permissions';
  const [groups, memberships, positions, bindings] = await Promise.all([
    read<{
      group_id: string;
      parent_id: string;
      name: string;
      visibility: string;
      archived: boolean;
      lock_holder: string | null;
    }>(
      'musubi_group',
      `select group_id, parent_id, name, visibility, archived_at is not null as archived, lock_holder from groups where ${those}`,
    ),
    read<{ group_id: string; member_id: string; joined: boolean; lock_holder: string | null }>(
      'musubi_group',
      `select group_id, member_id, joined_at is not null as joined, lock_holder from memberships where ${those}`,
    ),
    read<{ id: string; group_id: string; name: string; kind: string | null; permissions: Permission[] }>(
      'musubi_position',
      `${ofPosition}, lock_holder from positions where ${those}`,
    ),
    read<Bound>('musubi_position', `select group_id, member_id, position_id from bindings where ${those}`),
  ]);
  const held = [...groups, ...memberships, ...positions].filter(({ lock_holder: holder }) => holder !== null);
  const [seen, seenIn, seenPositions, seenBound] = await Promise.all([
    read<{ group_id: string; parent_id: string; name: string; visibility: string; archived: boolean }>(
      'musubi_query',
      `select id as group_id, parent_id, name, visibility, archived_at is not null as archived from groups
        where gone_at is null and id in (${idList(groupIds)})`,
    ),
    read<{ group_id: string; member_id: string }>(
      'musubi_query',
      `select group_id, member_id from memberships where joined_at is not null and ${those}`,
    ),
    read<{ id: string; group_id: string; name: string; kind: string | null; permissions: Permission[] }>(
      'musubi_query',
      `select id, group_id, name, kind, permissions from positions where gone_at is null and ${those}`,
    ),
    read<Bound>(
      'musubi_query',
      `select group_id, member_id, unnest(position_ids) as position_id from bindings where gone_at is null and ${those}`,
    ),
  ]);
  const there = memberships.filter(({ joined }) => joined);
  const own = positions.filter(({ kind }) => kind === null);
  const state = stateOf(groups, there, own, bindings);
  const inQueries = stateOf(
    seen,
    seenIn,
    seenPositions.filter(({ kind }) => kind === 'POSITION_KIND_UNSPECIFIED'),
    seenBound,
  );
  const all = positions.map(({ id, group_id: groupId, permissions }) => `${groupId} ${id} ${permissionsText(permissions)}`);
  const allSeen = seenPositions.map(
    ({ id, group_id: groupId, permissions }) => `${groupId} ${id} ${permissionsText(permissions)}`,
  );
  const auth = await readAuth(groupIds, memberIds);
  return {
    state,
    differences: [
      ...held.map(({ group_id: id, lock_holder: holder }) => `${id} is held by ${holder}, which has ended`),
      ...between('queries', linesOf(state), linesOf(inQueries)),
      ...between('queries of positions', all, allSeen),
      ...between("Auth's positions", all, auth.positions),
      ...between(
        "Auth's groups",
        groups.map(({ group_id: id, visibility }) => `${pathOf(state, id)} ${visibility !== 'invitation'}`),
        auth.groups,
      ),
      ...between(
        "Auth's memberships",
        there.map(({ group_id: groupId, member_id: memberId }) => `${memberId} ${groupId}`),
        auth.memberships,
      ),
      ...between(
        "Auth's bindings",
        bindings.map(({ member_id: memberId, position_id: id }) => `${memberId} ${id}`),
        auth.bindings.filter((one) => positions.some(({ id }) => one.endsWith(` ${id}`))),
      ),
    ],
  };
}

function stateOf(
  groups: { group_id: string; parent_id: string; name: string; visibility: string; archived: boolean }[],
  memberships: { group_id: string; member_id: string }[],
  positions: { id: string; group_id: string; name: string; permissions: Permission[] }[],
  bindings: Bound[],
): State {
  return {
    groups: new Map(
      groups.map(({ group_id: id, parent_id: parentId, name, visibility, archived }): [string, GroupState] => {
        const here = <One extends { group_id: string }>(some: One[]): One[] => some.filter(({ group_id: one }) => one === id);
        const bound = Map.groupBy(here(bindings), ({ member_id: memberId }) => memberId);
        return [
          id,
          {
            ...{ parentId, name, visibility: plain(visibility), isArchived: archived },
            members: new Set(here(memberships).map(({ member_id: memberId }) => memberId)),
            positions: new Map(here(positions).map((one) => [one.id, `${one.name}\n${permissionsText(one.permissions)}`])),
            bindings: new Map([...bound].map(([memberId, those]) => [memberId, new Set(those.map((one) => one.position_id))])),
          },
        ];
      }),
    ),
  };
}

function pathOf({ groups }: State, groupId: string): string {
  const path: string[] = [];
  for (let id = groupId; groups.has(id); id = groups.get(id)?.parentId ?? ROOT) path.unshift(id);
  return [ROOT, ...path].join('/');
}

async function readAuth(groupIds: readonly string[], memberIds: readonly string[]) {
  const mongo = await new MongoClient(address('MUSUBI_MONGODB_URL')).connect();
  try {
    const db = mongo.db('musubi_auth');
    const groups = await db
      .collection<Group>('groups')
      .find({ _id: { $in: [...groupIds] } })
      .toArray();
    const members = await db
      .collection<{ _id: string; groupIds?: string[]; positionIds?: string[] }>('members')
      .find({ _id: { $in: [...memberIds] } }, { projection: { groupIds: 1, positionIds: 1 } })
      .toArray();
    return {
      groups: groups.map(({ path, findable }) => `${path.join('/')} ${findable}`),
      positions: groups.flatMap(({ _id, positions }) =>
        positions.map(({ id, permissions }) => `${_id} ${id} ${permissionsText(permissions)}`),
      ),
      memberships: members.flatMap(({ _id, groupIds: those = [] }) =>
        those.filter((id) => groupIds.includes(id)).map((id) => `${_id} ${id}`),
      ),
      bindings: members.flatMap(({ _id, positionIds = [] }) => positionIds.map((id) => `${_id} ${id}`)),
    };
  } finally {
    await mongo.close();
  }
}

function between(where: string, wanted: readonly string[], found: readonly string[]): string[] {
  const [one, other] = [new Set(wanted), new Set(found)];
  return [
    ...wanted.filter((line) => !other.has(line)).map((line) => `${where} lack: ${line}`),
    ...found.filter((line) => !one.has(line)).map((line) => `${where} have besides: ${line}`),
  ];
}

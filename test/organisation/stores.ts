import { MongoClient } from 'mongodb';
import pg from 'pg';
import { ROOT } from '../../platform/validation/group-fields.ts';
import type { Group } from '../../services/auth/groups/group.ts';
import { address } from '../client.ts';
import { databaseUrl } from '../evidence.ts';
import { type Databases, inQueries, inStore, type Permission, type Rows } from './rows.ts';
import { type GroupState, invitedUntil, keyOf, linesOf, type State } from './state.ts';

// What the stores have of an organisation: Group and Position, Auth's copies, and what queries are made from.

interface Found {
  /** As Group and Position have it. */
  state: State;
  /** What Auth or the read models have otherwise, what jobs that have ended still hold, and what is there though its time is over. */
  differences: string[];
}

/** Queries keep the contract's names. */
const plain = (text: string): string => text.replace(/^(REACH|VISIBILITY)_/, '').toLowerCase();

const grantsOf = (permissions: readonly Permission[]): string =>
  permissions
    .map(({ action, reach }) => `${action} ${plain(reach)}`)
    .sort()
    .join();

const pool = (database: string): pg.Pool => new pg.Pool({ connectionString: databaseUrl(database), max: 3 });

export class Stores {
  readonly #databases: Databases = {
    group: pool('musubi_group'),
    position: pool('musubi_position'),
    query: pool('musubi_query'),
  };
  readonly #mongo = new MongoClient(address('MUSUBI_MONGODB_URL'));

  async close(): Promise<void> {
    await Promise.all([...Object.values(this.#databases).map((one: pg.Pool) => one.end()), this.#mongo.close()]);
  }

  /** What there is of these groups. @param memberIds all who are ever in them */
  async read(groupIds: readonly string[], memberIds: readonly string[]): Promise<Found> {
    const [{ held, ...store }, queries, auth] = await Promise.all([
      inStore(this.#databases, groupIds),
      inQueries(this.#databases, groupIds),
      this.#readAuth(groupIds, memberIds),
    ]);
    const { groups, memberships, positions, bindings } = store;
    const state = stateOf(store);
    return {
      state,
      differences: [
        ...held,
        ...[...memberships, ...bindings]
          .filter(({ until }) => until !== null && until.getTime() <= Date.now())
          .map((one) => `its time is over: ${JSON.stringify(one)}`),
        ...leftOf('stores', store),
        ...leftOf('queries', queries),
        ...between('queries', linesOf(state), linesOf(stateOf(queries))),
        ...between('queries of positions', linesOfPositions(positions), linesOfPositions(queries.positions)),
        ...between("Auth's positions", linesOfPositions(positions), auth.positions),
        ...between(
          "Auth's groups",
          groups.map(({ id, visibility }) => `${pathOf(state, id)} ${visibility !== 'invitation'}`),
          auth.groups,
        ),
        ...between(
          "Auth's memberships",
          memberships.filter(({ isIn }) => isIn).map(({ groupId, memberId }) => `${memberId} ${groupId}`),
          auth.memberships,
        ),
        ...between(
          "Auth's invitations",
          memberships.filter(({ until }) => until !== null).map(({ groupId, memberId }) => `${memberId} ${groupId}`),
          auth.invitations,
        ),
        ...between(
          "Auth's bindings",
          bindings.map(({ memberId, positionId }) => `${memberId} ${positionId}`),
          auth.bindings.filter((one) => positions.some(({ id }) => one.endsWith(` ${id}`))),
        ),
      ],
    };
  }

  async #readAuth(groupIds: readonly string[], memberIds: readonly string[]) {
    const db = this.#mongo.db('musubi_auth');
    type Member = { _id: string; groupIds?: string[]; positionIds?: string[]; invitedTo?: string[] };
    const [groups, members] = await Promise.all([
      db
        .collection<Group>('groups')
        .find({ _id: { $in: [...groupIds] } })
        .toArray(),
      db
        .collection<Member>('members')
        .find({ _id: { $in: [...memberIds] } }, { projection: { groupIds: 1, positionIds: 1, invitedTo: 1 } })
        .toArray(),
    ]);
    const asked = new Set(groupIds);
    const ofAsked = (those: 'groupIds' | 'invitedTo'): string[] =>
      members.flatMap((one) => (one[those] ?? []).filter((id) => asked.has(id)).map((id) => `${one._id} ${id}`));
    return {
      groups: groups.map(({ path, findable }) => `${path.join('/')} ${findable}`),
      positions: groups.flatMap(({ _id, positions }) =>
        positions.map(({ id, permissions }) => `${_id} ${id} ${grantsOf(permissions)}`),
      ),
      memberships: ofAsked('groupIds'),
      invitations: ofAsked('invitedTo'),
      bindings: members.flatMap(({ _id, positionIds = [] }) => positionIds.map((id) => `${_id} ${id}`)),
    };
  }
}

const linesOfPositions = (positions: Rows['positions']): string[] =>
  positions.map(({ id, groupId, permissions }) => `${groupId} ${id} ${grantsOf(permissions)}`);

function stateOf({ groups, memberships, positions, bindings }: Rows): State {
  const tagsOf = new Map(groups.map(({ id, tags }) => [id, tags]));
  /** The keys of tags of a group that these IDs stand for. */
  const carried = (groupId: string, ids: readonly string[]): Set<string> =>
    new Set((tagsOf.get(groupId) ?? []).filter((tag) => tag.ids.some((id) => ids.includes(id))).map(({ name }) => keyOf(name)));
  const ofGroup = <One extends { groupId: string }>(some: One[]) => {
    const byGroup = Map.groupBy(some, ({ groupId }) => groupId);
    return (id: string): One[] => byGroup.get(id) ?? [];
  };
  const [tiesOf, positionsOf, bindingsOf] = [ofGroup(memberships), ofGroup(positions), ofGroup(bindings)];
  return {
    groups: new Map(
      groups.map(({ id, parentId, name, visibility, isArchived, tags, tagIds }): [string, GroupState] => {
        const ties = tiesOf(id);
        const own = positionsOf(id).filter(({ isOwn }) => isOwn);
        const bound = Map.groupBy(bindingsOf(id), ({ memberId }) => memberId);
        const members = ties.filter(({ isIn }) => isIn);
        return [
          id,
          {
            ...{ parentId, name, visibility: plain(visibility), isArchived, carries: carried(parentId, tagIds) },
            tags: new Map(tags.map((tag) => [keyOf(tag.name), tag.name])),
            members: new Map(members.map((one) => [one.memberId, carried(id, one.tagIds ?? [])])),
            candidates: new Map(ties.map((one) => [one.memberId, candidacyOf(one)] as const).filter(([, what]) => what !== '')),
            expelled: new Set(ties.filter(({ isExpelled }) => isExpelled).map(({ memberId }) => memberId)),
            positions: new Map(own.map((one) => [one.id, `${one.name}\n${grantsOf(one.permissions)}`])),
            bindings: new Map(
              [...bound].map(([memberId, those]) => [
                memberId,
                new Map(those.map(({ positionId, until }) => [positionId, until?.toISOString() ?? ''])),
              ]),
            ),
          },
        ];
      }),
    ),
  };
}

function candidacyOf({ isRequested, isDeclined, until }: Rows['memberships'][number]): string {
  if (until) return invitedUntil(until.toISOString());
  return isDeclined ? 'declined' : isRequested ? 'requested' : '';
}

function pathOf({ groups }: State, groupId: string): string {
  const path: string[] = [];
  for (let id = groupId; groups.has(id); id = groups.get(id)?.parentId ?? ROOT) path.unshift(id);
  return [ROOT, ...path].join('/');
}

/** What is in groups that there are no more. */
function leftOf(where: string, { groups, ...others }: Rows): string[] {
  const there = new Set(groups.map(({ id }) => id));
  return Object.entries(others).flatMap(([what, those]: [string, { groupId: string }[]]) =>
    those
      .filter(({ groupId }) => !there.has(groupId))
      .map((one) => `${where} have ${what} of a group that is gone: ${JSON.stringify(one)}`),
  );
}

function between(where: string, wanted: readonly string[], found: readonly string[]): string[] {
  const [one, other] = [new Set(wanted), new Set(found)];
  return [
    ...wanted.filter((line) => !other.has(line)).map((line) => `${where} lack: ${line}`),
    ...found.filter((line) => !one.has(line)).map((line) => `${where} have besides: ${line}`),
  ];
}

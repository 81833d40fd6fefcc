import type pg from 'pg';

// What Group and Position have in their databases, and what Query has in its own, as the same rows.

export interface Permission {
  action: string;
  reach: string;
}

export interface Rows {
  groups: {
    id: string;
    parentId: string;
    name: string;
    visibility: string;
    isArchived: boolean;
    tags: { name: string; ids: string[] }[];
    tagIds: string[];
  }[];
  memberships: {
    groupId: string;
    memberId: string;
    isIn: boolean;
    tagIds: string[] | null;
    isRequested: boolean;
    isDeclined: boolean;
    /** Of one that is invited. */
    until: Date | null;
    isExpelled: boolean;
  }[];
  /** Also those that every group has. */
  positions: { id: string; groupId: string; name: string; isOwn: boolean; permissions: Permission[] }[];
  bindings: { groupId: string; memberId: string; positionId: string; until: Date | null }[];
}

const TIES = `group_id as "groupId", member_id as "memberId", joined_at is not null as "isIn", tag_ids as "tagIds",
  requested_at is not null as "isRequested", declined_at is not null as "isDeclined", until, expelled_at is not null as "isExpelled"`;
const GROUP = `parent_id as "parentId", name, visibility, archived_at is not null as "isArchived", tag_ids as "tagIds"`;
const POSITION = `group_id as "groupId", name, permissions`;

export interface Databases {
  group: pg.Pool;
  position: pg.Pool;
  query: pg.Pool;
}

/** As Group and Position have it; and what jobs hold, which have all ended. */
export async function inStore({ group, position }: Databases, groupIds: readonly string[]): Promise<Rows & { held: string[] }> {
  const read = reading(groupIds);
  const [groups, memberships, positions, bindings, ...held] = await Promise.all([
    read<Rows['groups']>(group, `select group_id as id, ${GROUP}, tags from groups where group_id = any($1)`),
    read<Rows['memberships']>(group, `select ${TIES} from memberships where group_id = any($1)`),
    read<Rows['positions']>(
      position,
      `select position_id as id, ${POSITION}, kind is null as "isOwn" from positions where group_id = any($1)`,
    ),
    read<Rows['bindings']>(
      position,
      `select group_id as "groupId", member_id as "memberId", position_id as "positionId", until from bindings where group_id = any($1)`,
    ),
    ...['groups', 'memberships'].map((table) => read<Held>(group, heldIn(table))),
    ...['positions', 'binding_versions', 'binding_claims'].map((table) => read<Held>(position, heldIn(table))),
    read<Held>(
      group,
      `select group_id as id, job_id as holder from additions where group_id = any($1) and (outcome is null or outcome = 'held')`,
    ),
  ]);
  const those = held.flat().map(({ id, holder }) => `${id} is held by ${holder}, which has ended`);
  return { groups, memberships, positions, bindings, held: those };
}

type Held = { id: string; holder: string }[];
const heldIn = (table: string): string =>
  `select group_id as id, lock_holder as holder from ${table} where group_id = any($1) and lock_holder is not null`;

/** As queries have it. */
export async function inQueries({ query }: Databases, groupIds: readonly string[]): Promise<Rows> {
  const read = reading(groupIds);
  const [groups, memberships, positions, bindings] = await Promise.all([
    read<Rows['groups']>(query, `select id, ${GROUP}, tag_set as tags from groups where gone_at is null and id = any($1)`),
    read<Rows['memberships']>(query, `select ${TIES} from memberships where gone_at is null and group_id = any($1)`),
    read<Rows['positions']>(
      query,
      `select id, ${POSITION}, kind = 'POSITION_KIND_UNSPECIFIED' as "isOwn" from positions where gone_at is null and group_id = any($1)`,
    ),
    read<Rows['bindings']>(
      query,
      `select group_id as "groupId", member_id as "memberId", one->>'positionId' as "positionId", (one->>'until')::timestamptz as until
        from bindings, jsonb_array_elements(bindings) as one where gone_at is null and group_id = any($1)`,
    ),
  ]);
  return { groups, memberships, positions, bindings };
}

const reading =
  (groupIds: readonly string[]) =>
  async <Many>(pool: pg.Pool, query: string): Promise<Many> =>
    (await pool.query(query, [groupIds])).rows as Many;

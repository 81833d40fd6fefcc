import { type Database, fieldOf, fieldsOf, join, nullsAbsent, sql } from '#platform/postgres/database.ts';
import type { POSITION_LIST } from '#platform/validation/group-lists.ts';
import type { PositionView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { type Columns, filtered, type Listing, ordered } from './listing.ts';
import { positions } from './projections/positions.ts';

// Positions, as they are read.

const FIELDS = sql`t.id as "positionId", t.version, ${fieldsOf(positions.columns.map(fieldOf), 't')}`;

/** @throws CALLER_GONE once the signal has aborted */
export async function findPosition(
  db: Database,
  groupId: string,
  positionId: string,
  signal?: AbortSignal,
): Promise<PositionView | undefined> {
  const [row] = await db.query<PositionView>(
    sql`select ${FIELDS} from positions t where t.id = ${positionId} and t.group_id = ${groupId} and t.gone_at is null`,
    signal,
  );
  return row && nullsAbsent(row);
}

/** Where {@link listedPositions} has what positions are filtered and ordered by. */
export const POSITION_COLUMNS: Columns<typeof POSITION_LIST> = {
  name: { value: sql`t.name` },
  kind: {
    value: sql`t.kind`,
    words: { custom: 'POSITION_KIND_UNSPECIFIED', member: 'POSITION_KIND_MEMBER', leader: 'POSITION_KIND_LEADER' },
  },
  createdAt: { value: sql`t.created_at`, isTime: true },
  updatedAt: { value: sql`t.updated_at`, isTime: true },
};

/** @throws CALLER_GONE once the signal has aborted */
export async function listedPositions(
  db: Database,
  groupId: string,
  { listing, after, limit }: Page & { listing: Listing },
  signal?: AbortSignal,
): Promise<PositionView[]> {
  const { rest, by } = ordered(listing, POSITION_COLUMNS, sql`t.id`, after);
  const all = join([rest, ...filtered(listing, POSITION_COLUMNS)], sql` and `);
  const rows = await db.query<PositionView>(
    sql`
    select ${FIELDS} from positions t where t.group_id = ${groupId} and t.gone_at is null and ${all}
    order by ${by} limit ${limit}`,
    signal,
  );
  return rows.map(nullsAbsent);
}

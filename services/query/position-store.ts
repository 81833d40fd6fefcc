import { type Database, fieldOf, fieldsOf, nullsAbsent, sql } from '#platform/postgres/database.ts';
import type { PositionView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { positions } from './projections/positions.ts';

// Positions, as they are read.

const FIELDS = sql`t.id as "positionId", t.version, ${fieldsOf(positions.columns.map(fieldOf), 't')}`;

export async function findPosition(db: Database, groupId: string, positionId: string): Promise<PositionView | undefined> {
  const [row] = await db.query<PositionView>(sql`
    select ${FIELDS} from positions t where t.id = ${positionId} and t.group_id = ${groupId} and t.gone_at is null`);
  return row && nullsAbsent(row);
}

export async function listedPositions(db: Database, groupId: string, { after, limit }: Page): Promise<PositionView[]> {
  const rest = after ? sql`and (t.name, t.id) > (${after.name}, ${after.id})` : sql``;
  const rows = await db.query<PositionView>(sql`
    select ${FIELDS} from positions t where t.group_id = ${groupId} and t.gone_at is null ${rest}
    order by t.name, t.id limit ${limit}`);
  return rows.map(nullsAbsent);
}

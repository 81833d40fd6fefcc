import { join, sql, type Transaction } from '#platform/postgres/database.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { bindings } from './bindings.ts';
import { groups } from './groups.ts';
import { memberRoles } from './member-roles.ts';
import { memberSchemas } from './member-schemas.ts';
import { members } from './members.ts';
import { memberships } from './memberships.ts';
import { messages } from './messages.ts';
import { policies } from './policies.ts';
import { positions } from './positions.ts';
import type { Projection } from './projection.ts';
import { roles } from './roles.ts';
import { roomMembers } from './room-members.ts';
import { rooms } from './rooms.ts';

/** Everything that the read models are made from. */
export const PROJECTIONS: readonly Projection[] = [
  members,
  memberSchemas,
  memberRoles,
  roles,
  policies,
  groups,
  memberships,
  positions,
  bindings,
  rooms,
  roomMembers,
  messages,
];

const types = new Set(PROJECTIONS.map((projection) => projection.aggregateType));

/** Whether queries follow aggregates of this type. */
export const isProjected = (aggregateType: string): boolean => types.has(aggregateType);

const CURRENT = join(
  PROJECTIONS.map(({ aggregateType, versionOf }) => sql`when ${aggregateType} then (${versionOf(sql`wanted.id`)})`),
  sql` `,
);

/** Which of these versions queries do not see yet. One statement, one index look-up for each. */
export async function invisible(db: Transaction, versions: readonly AggregateVersion[]): Promise<AggregateVersion[]> {
  return db.query<AggregateVersion>(sql`
    select type, id, version
    from unnest(${versions.map((wanted) => wanted.type)}::text[], ${versions.map((wanted) => wanted.id)}::text[],
      ${versions.map((wanted) => wanted.version)}::bigint[]) as wanted (type, id, version)
    where coalesce(case wanted.type ${CURRENT} end, 0) < wanted.version`);
}

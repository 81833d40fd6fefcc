import { columnOf, join, sql, type Transaction } from '#platform/postgres/database.ts';
import { TIES, type Tie, tieOf } from '../domain.ts';
import type { Tied } from '../events.ts';
import { membershipBusy, notBegun } from '../refusals.ts';
import { holdMember, IS_TIED, TIED, UNTIED } from './memberships.ts';

// How a member that is being deleted goes out of all groups, in the store. It is closed first, by a transaction of its own: so those who go
// on sending commands about it do not hold that up.

/** What a member was to a group until it left all: the row, without what belongs to jobs. */
export type Left = { group_id: string } & Record<string, unknown>;

/** From then on nobody begins to change what the member is to groups. @throws MEMBER_DELETING */
export async function closeMember(tx: Transaction, memberId: string, jobId: string): Promise<void> {
  await holdMember(tx, memberId);
  await tx.query(sql`insert into closed_members (member_id, lock_holder) values (${memberId}, ${jobId})`);
}

export async function reopenMember(tx: Transaction, memberId: string, jobId: string): Promise<void> {
  await tx.query(sql`delete from closed_members where member_id = ${memberId} and lock_holder = ${jobId}`);
}

/**
 * Has a member that a job has closed be nothing to any group.
 *
 * @throws LOCK_NOT_HELD; MEMBERSHIP_BUSY (retryable) while a job that came before still changes what it is to one
 */
export async function endMemberships(tx: Transaction, memberId: string, jobId: string): Promise<{ ended: Tied[]; left: Left[] }> {
  const [closed, held] = await Promise.all([
    tx.query(sql`select from closed_members where member_id = ${memberId} and lock_holder = ${jobId}`),
    tx.query(sql`select from memberships where member_id = ${memberId} and lock_holder is not null limit 1`),
  ]);
  if (closed.length === 0) throw notBegun();
  if (held.length > 0) throw membershipBusy();
  const left = await tx.query<{ row: Left }>(sql`
    select to_jsonb(m) - array['version', 'lock_holder', 'pending'] as row from memberships m
    where member_id = ${memberId} and ${IS_TIED} order by group_id for update`);
  const ended = await tx.query<Tied>(sql`
    update memberships set ${UNTIED} where member_id = ${memberId} and ${IS_TIED} returning ${TIED}`);
  const was = new Map(left.map(({ row }) => [row.group_id, wasBy(row)]));
  return {
    ended: ended.map((one) => ({ ...one, was: was.get(one.groupId) ?? null })),
    left: left.map(({ row }) => row),
  };
}

const wasBy = ({ joined_at, requested_at, declined_at, invited_at }: Left): Tie =>
  tieOf({ joinedAt: joined_at, requestedAt: requested_at, declinedAt: declined_at, invitedAt: invited_at });

/** Has a member be again what it was to those groups that are still there. */
export async function restoreMemberships(tx: Transaction, memberId: string, left: readonly Left[]): Promise<Tied[]> {
  const columns = join(TIES.map(columnOf));
  return await tx.query<Tied>(sql`
    insert into memberships (group_id, member_id, ${columns}, version)
    select g.group_id, ${memberId}, ${join(TIES.map((tie) => sql`was.${columnOf(tie)}`))}, 1
    from jsonb_populate_recordset(null::memberships, ${JSON.stringify(left)}::jsonb) as was join groups g using (group_id)
    on conflict (group_id, member_id) do update
      set (${columns}) = row(${join(TIES.map((tie) => sql`excluded.${columnOf(tie)}`))}), version = memberships.version + 1
    returning ${TIED}`);
}

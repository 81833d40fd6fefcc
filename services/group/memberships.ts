import { addEvents } from '#platform/operations/postgres.ts';
import { fieldsOf, sql, type Transaction } from '#platform/postgres/database.ts';
import type { Which } from '#platform/state.ts';
import { MOST_GROUPS, ROOT } from '#platform/validation/group-fields.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { Membership, MembershipChange } from './domain.ts';
import { membershipEvent, ofMembershipId, type Standing } from './events.ts';
import { memberDeleting, membershipBusy, tooManyGroups } from './refusals.ts';

// Who is in which group, in the store.

const FIELDS = [
  'groupId',
  'memberId',
  'joinedAt',
  'reason',
  'version',
  'lockHolder',
  'pending',
] as const satisfies readonly (keyof Membership)[];
/** The advisory lock of a member is of this kind; that of the tree is of another. */
const MEMBER = sql`10`;
const STANDING = fieldsOf(['groupId', 'memberId', 'joinedAt', 'reason', 'version'] as const);

/** What a member is, or was, to a group; nobody else changes it until the transaction ends. */
export async function findMembership(tx: Transaction, groupId: string, memberId: string): Promise<Membership | undefined> {
  const [row] = await tx.query<Membership>(sql`
    select ${fieldsOf(FIELDS)} from memberships where group_id = ${groupId} and member_id = ${memberId} for update`);
  return row;
}

/** Has a member be in a group, with the next version. */
export async function addMembership(tx: Transaction, groupId: string, memberId: string, joinedAt: Date): Promise<Standing> {
  const [row] = await addMemberships(tx, groupId, [memberId], joinedAt);
  return row as Standing;
}

/** Has members be in a group, each with its next version. */
export async function addMemberships(
  tx: Transaction,
  groupId: string,
  memberIds: readonly string[],
  joinedAt: Date,
): Promise<Standing[]> {
  return await tx.query<Standing>(sql`
    insert into memberships (group_id, member_id, joined_at, version)
    select ${groupId}, id, ${joinedAt}::timestamptz, 1 from unnest(${[...memberIds]}::text[]) as given (id)
    on conflict (group_id, member_id) do update
      set joined_at = excluded.joined_at, reason = null, version = memberships.version + 1, lock_holder = null, pending = null
    returning ${STANDING}`);
}

/** Has a member be in a group no more, with the next version. @returns undefined: it was not in it */
export async function endMembership(
  tx: Transaction,
  groupId: string,
  memberId: string,
  reason: string | null = null,
): Promise<Standing | undefined> {
  const [row] = await tx.query<Standing>(sql`
    update memberships set joined_at = null, reason = ${reason}, version = version + 1, lock_holder = null, pending = null
    where group_id = ${groupId} and member_id = ${memberId} and joined_at is not null returning ${STANDING}`);
  return row;
}

/**
 * All who begin to change what a member is to groups meet here until their transactions end.
 *
 * @throws MEMBER_DELETING for one that comes into no group any more
 */
export async function holdMember(tx: Transaction, memberId: string): Promise<void> {
  const [, rows] = await Promise.all([
    tx.query(sql`select pg_advisory_xact_lock(${MEMBER}, hashtext(${memberId}))`),
    tx.query(sql`select from memberships where group_id = ${ROOT} and member_id = ${memberId} and pending @> '{"closed": true}'`),
  ]);
  if (rows.length > 0) throw memberDeleting();
}

/** The same for many, in one order: who else holds several of them waits, and nobody waits for ever. */
export async function holdMembers(tx: Transaction, memberIds: readonly string[]): Promise<void> {
  await tx.query(sql`
    select pg_advisory_xact_lock(${MEMBER}, key)
    from (select distinct hashtext(id) as key from unnest(${[...memberIds]}::text[]) as given (id) order by key) as keys`);
}

/** That a member can come into one more group. Who asks has the member ({@link holdMember}). @throws TOO_MANY_GROUPS */
export async function requireFewGroups(tx: Transaction, memberId: string): Promise<void> {
  const [row] = await tx.query<{ count: number }>(sql`
    select count(*) as count from memberships
    where member_id = ${memberId} and (joined_at is not null or pending->'isMember' = 'true'::jsonb)`);
  if ((row?.count ?? 0) >= MOST_GROUPS) throw tooManyGroups();
}

/** Takes what a member is to a group for a job, with what it will make of it. Who asks has looked that it is free. */
export async function holdMembership(
  tx: Transaction,
  { groupId, memberId }: Pick<Membership, 'groupId' | 'memberId'>,
  jobId: string,
  change: MembershipChange | { closed: true },
): Promise<void> {
  await holdMemberships(tx, groupId, [memberId], jobId, change);
}

/** The same of many. */
export async function holdMemberships(
  tx: Transaction,
  groupId: string,
  memberIds: readonly string[],
  jobId: string,
  change: MembershipChange | { closed: true },
): Promise<void> {
  await tx.query(sql`
    insert into memberships (group_id, member_id, version, lock_holder, pending)
    select ${groupId}, id, 0, ${jobId}, ${JSON.stringify(change)}::jsonb from unnest(${[...memberIds]}::text[]) as given (id)
    on conflict (group_id, member_id) do update set lock_holder = excluded.lock_holder, pending = excluded.pending`);
}

/** The membership that a job has begun to change. */
export async function begunMembership(tx: Transaction, jobId: string): Promise<Membership | undefined> {
  const [row] = await tx.query<Membership>(sql`
    select ${fieldsOf(FIELDS)} from memberships where lock_holder = ${jobId} for update`);
  return row;
}

/** Lets go of what a job has taken; of a membership that there never was, nothing stays. */
export async function releaseMembership(
  tx: Transaction,
  { groupId, memberId }: Pick<Membership, 'groupId' | 'memberId'>,
  jobId: string,
): Promise<void> {
  await releaseMemberships(tx, groupId, [memberId], jobId);
}

/** The same of many. */
export async function releaseMemberships(
  tx: Transaction,
  groupId: string,
  memberIds: readonly string[],
  jobId: string,
): Promise<void> {
  const mine = sql`group_id = ${groupId} and member_id = any(${[...memberIds]}::text[]) and lock_holder = ${jobId}`;
  await Promise.all([
    tx.query(sql`delete from memberships where ${mine} and version = 0`),
    tx.query(sql`update memberships set lock_holder = null, pending = null where ${mine}`),
  ]);
}

/**
 * Has members be in the whole organisation. Those that are in it are passed over, and so are those that come into no group any more.
 *
 * @returns those that were not in it
 */
export async function enterMembers(tx: Transaction, memberIds: readonly string[]): Promise<Standing[]> {
  const ids = [...new Set(memberIds)];
  await holdMembers(tx, ids);
  return await tx.query<Standing>(sql`
    insert into memberships (group_id, member_id, joined_at, version) select ${ROOT}, id, now(), 1 from unnest(${ids}::text[]) as given (id)
    on conflict (group_id, member_id) do update set joined_at = excluded.joined_at, version = memberships.version + 1
      where memberships.joined_at is null and memberships.lock_holder is null
    returning ${STANDING}`);
}

/** Where a member was until it left all. */
export type Left = Pick<Membership, 'groupId'> & { joinedAt: string };

/**
 * Has a member be in no group, and come into none.
 *
 * @throws MEMBER_DELETING; MEMBERSHIP_BUSY (retryable) while a job changes what it is to one
 */
export async function endMemberships(
  tx: Transaction,
  memberId: string,
  jobId: string,
): Promise<{ ended: Standing[]; left: Left[] }> {
  await holdMember(tx, memberId);
  const before = await tx.query<Membership>(sql`
    select ${fieldsOf(FIELDS)} from memberships where member_id = ${memberId} order by group_id for update`);
  if (before.some(({ lockHolder }) => lockHolder !== null)) throw membershipBusy();
  const ended = await tx.query<Standing>(sql`
    update memberships set joined_at = null, version = version + 1 where member_id = ${memberId} and joined_at is not null
    returning ${STANDING}`);
  await holdMembership(tx, { groupId: ROOT, memberId }, jobId, { closed: true });
  const left = before.flatMap(({ groupId, joinedAt }) => (joinedAt ? [{ groupId, joinedAt: joinedAt.toISOString() }] : []));
  return { ended, left };
}

/** Has a member be again in those groups that are still there. */
export async function restoreMemberships(
  tx: Transaction,
  memberId: string,
  jobId: string,
  left: readonly Left[],
): Promise<Standing[]> {
  await releaseMembership(tx, { groupId: ROOT, memberId }, jobId);
  return await tx.query<Standing>(sql`
    insert into memberships (group_id, member_id, joined_at, version)
    select group_id, ${memberId}, since, 1
    from unnest(${left.map(({ groupId }) => groupId)}::text[], ${left.map(({ joinedAt }) => joinedAt)}::timestamptz[]) as was (was_in, since)
    join groups on group_id = was_in
    on conflict (group_id, member_id) do update set joined_at = excluded.joined_at, version = memberships.version + 1
    returning ${STANDING}`);
}

/** A page of what members are to groups, or were once, or of some by their IDs; in the order of the IDs of groups and members. */
export function readMemberships(db: Transaction, which: Which): Promise<Membership[]> {
  const fields = sql`select ${fieldsOf(FIELDS)} from memberships`;
  const seen = sql`version > ${which.begun ? -1 : 0}`;
  if ('ids' in which) {
    const ids = which.ids.map(ofMembershipId);
    return db.query<Membership>(sql`${fields} where ${seen} and (group_id, member_id) in (
      select * from unnest(${ids.map(({ groupId }) => groupId)}::text[], ${ids.map(({ memberId }) => memberId)}::text[])
    ) order by group_id, member_id`);
  }
  const { groupId, memberId } = ofMembershipId(which.after);
  return db.query<Membership>(sql`${fields} where ${seen} and (group_id, member_id) > (${groupId}, ${memberId})
    order by group_id, member_id limit ${which.limit}`);
}

/** Raises the versions of those that are not newer than what readers have. @returns the IDs of all that there are */
export async function raiseMemberships(tx: Transaction, seen: readonly AggregateVersion[]): Promise<Membership[]> {
  const ids = seen.map(({ id }) => ofMembershipId(id));
  return await tx.query<Membership>(sql`
    update memberships set version = seen_version + 1
    from unnest(${ids.map(({ groupId }) => groupId)}::text[], ${ids.map(({ memberId }) => memberId)}::text[],
      ${seen.map(({ version }) => version)}::bigint[]) as seen (of_group, of_member, seen_version)
    where group_id = of_group and member_id = of_member and version between 1 and seen_version
    returning ${fieldsOf(FIELDS)}`);
}

/** Removes some of what were ever memberships of the groups that a job deletes. @returns how many, and those that ended by it */
export async function purgeMemberships(
  tx: Transaction,
  jobId: string,
  limit: number,
): Promise<{ count: number; ended: Standing[] }> {
  const gone = await tx.query<Standing>(sql`
    with chosen as (
      select m.group_id, m.member_id from memberships m join groups g using (group_id)
      where g.lock_holder = ${jobId} and g.pending->>'change' = 'delete' order by m.group_id, m.member_id limit ${limit}
    )
    delete from memberships m using chosen c where (m.group_id, m.member_id) = (c.group_id, c.member_id)
    returning m.group_id as "groupId", m.member_id as "memberId", m.joined_at as "joinedAt", m.reason, m.version`);
  return { count: gone.length, ended: endedOf(gone) };
}

/** The same of all that there are of groups. */
export async function dropMemberships(tx: Transaction, groupIds: readonly string[]): Promise<Standing[]> {
  return endedOf(
    await tx.query<Standing>(sql`delete from memberships where group_id = any(${[...groupIds]}::text[]) returning ${STANDING}`),
  );
}

const endedOf = (gone: readonly Standing[]): Standing[] =>
  gone
    .filter(({ joinedAt, version }) => joinedAt !== null && version > 0)
    .map((one) => ({ ...one, joinedAt: null, reason: null, version: one.version + 1 }));

/** Tells what became of memberships where no step of a saga does. */
export const tellMemberships = (tx: Transaction, standings: readonly Standing[]): Promise<void> =>
  addEvents(tx, standings.map(membershipEvent));

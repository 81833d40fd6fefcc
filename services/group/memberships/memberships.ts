import { addEvents } from '#platform/operations/postgres.ts';
import { columnOf, fieldsOf, join, sql, type Transaction } from '#platform/postgres/database.ts';
import type { Which } from '#platform/state.ts';
import { MOST_CANDIDACIES, MOST_GROUPS, ROOT } from '#platform/validation/group-fields.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { type BegunChange, type Membership, NO_TIES, type TaggedMembership, TIES, type Ties, tieOf } from '../domain.ts';
import { membershipEvent, ofMembershipId, type Tied } from '../events.ts';
import { memberDeleting, tooManyGroups, tooManyInvitations, tooManyRequests } from '../refusals.ts';

// Who is in which group, has asked to be, or is invited, in the store.

const OF_TIED = ['groupId', 'memberId', ...TIES, 'version'] as const satisfies readonly (keyof Membership)[];
const FIELDS = [...OF_TIED, 'lockHolder', 'pending'] as const satisfies readonly (keyof Membership)[];
/** The advisory lock of a member is of this kind; that of the tree is of another. */
const MEMBER = sql`10`;
export const TIED = fieldsOf(OF_TIED);
/** That a member is something to a group, or was put out of it. */
export const IS_TIED = sql`num_nonnulls(joined_at, requested_at, invited_at, expelled_at) > 0`;
/** Has a member be nothing to a group, with the next version: what is set. */
export const UNTIED = sql`${join(TIES.map((tie) => sql`${columnOf(tie)} = null`))}, version = version + 1`;

/** What a member is, or was, to a group; nobody else changes it until the transaction ends. */
export async function findMembership(tx: Transaction, groupId: string, memberId: string): Promise<Membership | undefined> {
  const [row] = await tx.query<Membership>(sql`
    select ${fieldsOf(FIELDS)} from memberships where group_id = ${groupId} and member_id = ${memberId} for update`);
  return row;
}

/** As {@link tieOf} has it. */
const TIE = sql`case when joined_at is not null then 'member' when invited_at is not null then 'invited'
  when declined_at is not null then 'declined' when requested_at is not null then 'requested' end`;

/** Has members be this to a group, each with its next version; what a job has begun with them has ended. */
async function putAllTies(tx: Transaction, groupId: string, memberIds: readonly string[], ties: Ties): Promise<Tied[]> {
  return await tx.query<Tied>(sql`
    with before as (
      select member_id as of_member, ${TIE} as was from memberships where group_id = ${groupId} and member_id = any(${[...memberIds]}::text[])
    )
    insert into memberships (group_id, member_id, ${join(TIES.map(columnOf))}, version)
    select ${groupId}, id, ${join(TIES.map((tie) => sql`${ties[tie]}`))}, 1 from unnest(${[...memberIds]}::text[]) as given (id)
    on conflict (group_id, member_id) do update
      set (${join(TIES.map(columnOf))}) = row(${join(TIES.map((tie) => sql`excluded.${columnOf(tie)}`))}),
        version = memberships.version + 1, lock_holder = null, pending = null
    returning ${TIED}, (select was from before where of_member = member_id) as was`);
}

/** The same of one. */
export async function putTies(tx: Transaction, groupId: string, memberId: string, ties: Ties): Promise<Tied> {
  const [row] = await putAllTies(tx, groupId, [memberId], ties);
  return row as Tied;
}

/** Has a member be in a group, with the next version. */
export const addMembership = (tx: Transaction, groupId: string, memberId: string, joinedAt: Date): Promise<Tied> =>
  putTies(tx, groupId, memberId, { ...NO_TIES, joinedAt });

/** Has members be in a group, each with its next version. */
export const addMemberships = (tx: Transaction, groupId: string, memberIds: readonly string[], joinedAt: Date): Promise<Tied[]> =>
  putAllTies(tx, groupId, memberIds, { ...NO_TIES, joinedAt });

/** Has a member be in a group no more, with the next version. @returns undefined: it was not in it */
export async function endMembership(tx: Transaction, groupId: string, memberId: string): Promise<Tied | undefined> {
  const before = await findMembership(tx, groupId, memberId);
  return before?.joinedAt ? await putTies(tx, groupId, memberId, NO_TIES) : undefined;
}

/**
 * All who begin to change what a member is to groups meet here until their transactions end.
 *
 * @returns whether the member is being deleted: then nobody begins anything
 */
export async function isClosed(tx: Transaction, memberId: string): Promise<boolean> {
  const [, rows] = await Promise.all([
    tx.query(sql`select pg_advisory_xact_lock(${MEMBER}, hashtext(${memberId}))`),
    tx.query(sql`select from closed_members where member_id = ${memberId}`),
  ]);
  return rows.length > 0;
}

/** The same. @throws MEMBER_DELETING */
export async function holdMember(tx: Transaction, memberId: string): Promise<void> {
  if (await isClosed(tx, memberId)) throw memberDeleting();
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

/** That a member can ask to be let into one more group, or be invited to one. Who asks has the member ({@link holdMember}). */
export async function requireFewCandidacies(tx: Transaction, memberId: string, becomes: 'requested' | 'invited'): Promise<void> {
  const isCandidate =
    becomes === 'requested' ? sql`requested_at is not null and declined_at is null` : sql`invited_at is not null`;
  const [row] = await tx.query<{ count: number }>(sql`
    select count(*) as count from memberships
    where member_id = ${memberId} and (${isCandidate} or pending->>'becomes' = ${becomes})`);
  if ((row?.count ?? 0) >= MOST_CANDIDACIES) throw becomes === 'requested' ? tooManyRequests() : tooManyInvitations();
}

/** Takes what a member is to a group for a job, with what it will make of it. Who asks has looked that it is free. */
export async function holdMembership(
  tx: Transaction,
  { groupId, memberId }: Pick<Membership, 'groupId' | 'memberId'>,
  jobId: string,
  change: BegunChange | TaggedMembership,
): Promise<void> {
  await holdMemberships(tx, groupId, [memberId], jobId, change);
}

/** The same of many. */
export async function holdMemberships(
  tx: Transaction,
  groupId: string,
  memberIds: readonly string[],
  jobId: string,
  change: BegunChange | TaggedMembership,
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

/** Has a membership carry these tags, with the next version where that `changes` it; no job holds it any more. */
export async function tagMembership(
  tx: Transaction,
  { groupId, memberId }: Pick<Membership, 'groupId' | 'memberId'>,
  tagIds: readonly string[],
  changes: boolean,
): Promise<Tied> {
  const [row] = await tx.query<Tied>(sql`
    update memberships set tag_ids = nullif(${[...tagIds]}::text[], '{}'), version = version + ${changes ? 1 : 0}, lock_holder = null, pending = null
    where group_id = ${groupId} and member_id = ${memberId} returning ${TIED}`);
  return row as Tied;
}

/**
 * Has members be in the whole organisation. Those that are in it are passed over, and so are those that come into no group any more.
 *
 * @returns those that were not in it
 */
export async function enterMembers(tx: Transaction, memberIds: readonly string[]): Promise<Tied[]> {
  const ids = [...new Set(memberIds)];
  await holdMembers(tx, ids);
  return await tx.query<Tied>(sql`
    insert into memberships (group_id, member_id, joined_at, version) select ${ROOT}, id, now(), 1 from unnest(${ids}::text[]) as given (id)
    where not exists (select from closed_members where member_id = id)
    on conflict (group_id, member_id) do update set joined_at = excluded.joined_at, version = memberships.version + 1
      where memberships.joined_at is null and memberships.lock_holder is null
    returning ${TIED}`);
}

/** Who is in a group; and of all others who are or were something to it, those at whose membership a job is, and those who are deleted. */
export async function insideOf(tx: Transaction, groupId: string, limit: number): Promise<string[]> {
  const rows = await tx.query<{ memberId: string }>(sql`
    select member_id as "memberId" from memberships m
    where group_id = ${groupId} and (
      joined_at is not null or lock_holder is not null or exists (select from closed_members c where c.member_id = m.member_id)
    ) limit ${limit}`);
  return rows.map(({ memberId }) => memberId);
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
export async function purgeMemberships(tx: Transaction, jobId: string, limit: number): Promise<{ count: number; ended: Tied[] }> {
  const gone = await tx.query<Tied>(sql`
    with chosen as (
      select m.group_id, m.member_id from memberships m join groups g using (group_id)
      where g.lock_holder = ${jobId} and g.pending->>'change' = 'delete' order by m.group_id, m.member_id limit ${limit}
    )
    delete from memberships m using chosen c where (m.group_id, m.member_id) = (c.group_id, c.member_id)
    returning ${fieldsOf(OF_TIED, 'm')}`);
  return { count: gone.length, ended: endedOf(gone) };
}

/** The same of all that there are of groups. */
export async function dropMemberships(tx: Transaction, groupIds: readonly string[]): Promise<Tied[]> {
  return endedOf(
    await tx.query<Tied>(sql`delete from memberships where group_id = any(${[...groupIds]}::text[]) returning ${TIED}`),
  );
}

const endedOf = (gone: readonly Tied[]): Tied[] =>
  gone
    .filter((one) => one.version > 0 && isTied(one))
    .map((one) => ({ ...one, ...NO_TIES, version: one.version + 1, was: tieOf(one) }));

/** {@link IS_TIED}, of what is not in the store any more. */
const isTied = ({ joinedAt, requestedAt, invitedAt, expelledAt }: Ties): boolean =>
  (joinedAt ?? requestedAt ?? invitedAt ?? expelledAt) !== null;

/** Tells what became of memberships where no step of a saga does. */
export const tellMemberships = (tx: Transaction, tied: readonly Tied[]): Promise<void> =>
  addEvents(tx, tied.map(membershipEvent));

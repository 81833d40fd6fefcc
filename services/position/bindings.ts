import { sql, type Transaction } from '#platform/postgres/database.ts';
import type { Which } from '#platform/state.ts';
import { MOST_BINDINGS } from '#platform/validation/position-fields.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { Binding, Bindings } from './domain.ts';
import { memberDeleting, notBegun, permissionRevoked, tooManyBindings } from './refusals.ts';

// Who is bound to which position, in the store. The aggregate is all that a member is bound to in a group; its ID is that of the group and
// that of the member, with a dot between.

export const bindingsId = ({ groupId, memberId }: Pick<Bindings, 'groupId' | 'memberId'>): string => `${groupId}.${memberId}`;

/** The groups' and the members' IDs of some aggregates. */
function split(ids: readonly string[]): [groupIds: string[], memberIds: string[]] {
  const parts = ids.map((id) => id.split('.', 2));
  return [parts.map(([groupId = '']) => groupId), parts.map(([, memberId = '']) => memberId)];
}

/** A binding as JSON has it. */
interface Written {
  positionId: string;
  boundAt: string;
  until: string | null;
}

const read = ({ positionId, boundAt, until }: Written): Binding => ({
  positionId,
  boundAt: new Date(boundAt),
  until: until === null ? null : new Date(until),
});

/** What a member is bound to in a group, by the positions' IDs. */
export const bindingsOf = (tx: Transaction, groupId: string, memberId: string): Promise<Binding[]> =>
  tx.query<Binding>(sql`
    select position_id as "positionId", bound_at as "boundAt", until from bindings
    where group_id = ${groupId} and member_id = ${memberId} order by position_id`);

/** All that a member is bound to, group by group. */
export async function allBindingsOf(tx: Transaction, memberId: string): Promise<Omit<Bindings, 'version'>[]> {
  const rows = await tx.query<{ groupId: string; bindings: Written[] }>(sql`
    select group_id as "groupId",
      jsonb_agg(jsonb_build_object('positionId', position_id, 'boundAt', bound_at, 'until', until) order by position_id) as bindings
    from bindings where member_id = ${memberId} group by group_id order by group_id`);
  return rows.map(({ groupId, bindings }) => ({ groupId, memberId, bindings: bindings.map(read) }));
}

/** Who binds a member, and who lets it go from all, meet here until their transactions end. */
export const holdMember = (tx: Transaction, memberId: string): Promise<unknown> =>
  tx.query(sql`select pg_advisory_xact_lock(20, hashtext(${memberId}))`);

/** Whether nobody binds a member to anything any more. */
export async function isClosed(tx: Transaction, memberId: string): Promise<boolean> {
  await holdMember(tx, memberId);
  return (await tx.query(sql`select from closed_members where member_id = ${memberId}`)).length > 0;
}

/** @throws MEMBER_DELETING for a member that nobody binds to anything any more */
export async function requireNotClosed(tx: Transaction, memberId: string): Promise<void> {
  if (await isClosed(tx, memberId)) throw memberDeleting();
}

/** From then on nobody binds the member to anything. */
export async function closeMember(tx: Transaction, memberId: string, jobId: string): Promise<void> {
  await requireNotClosed(tx, memberId);
  await tx.query(sql`insert into closed_members (member_id, lock_holder) values (${memberId}, ${jobId})`);
}

/** That a job has closed a member. @throws LOCK_NOT_HELD */
export async function requireClosedBy(tx: Transaction, memberId: string, jobId: string): Promise<void> {
  const rows = await tx.query(sql`select from closed_members where member_id = ${memberId} and lock_holder = ${jobId}`);
  if (rows.length === 0) throw notBegun();
}

export const reopenMember = (tx: Transaction, memberId: string, jobId: string): Promise<unknown> =>
  tx.query(sql`delete from closed_members where member_id = ${memberId} and lock_holder = ${jobId}`);

/** From then on only jobs that have claimed what a member is bound to in a group take that; who has it keeps it. */
export const claimBindings = (tx: Transaction, groupId: string, memberId: string, jobId: string): Promise<unknown> =>
  tx.query(sql`insert into binding_claims (group_id, member_id, lock_holder) values (${groupId}, ${memberId}, ${jobId})`);

/** Others may take it again. */
export const unclaimBindings = (tx: Transaction, groupId: string, memberId: string, jobId: string): Promise<unknown> =>
  tx.query(sql`
    delete from binding_claims where group_id = ${groupId} and member_id = ${memberId} and lock_holder = ${jobId}`);

/** Takes what a member is bound to in a group for a job. @returns false while another job has it, or has claimed it as this one has not */
export async function lockBindings(tx: Transaction, groupId: string, memberId: string, jobId: string): Promise<boolean> {
  const claimed = sql`select from binding_claims where group_id = ${groupId} and member_id = ${memberId}`;
  const rows = await tx.query(sql`
    insert into binding_versions (group_id, member_id, version, lock_holder, pending)
    select ${groupId}, ${memberId}, 0, ${jobId}, '[]'::jsonb
    where not exists (${claimed}) or exists (${claimed} and lock_holder = ${jobId})
    on conflict (group_id, member_id) do update set lock_holder = excluded.lock_holder, pending = excluded.pending
    where binding_versions.lock_holder is null returning 1`);
  return rows.length > 0;
}

/** Keeps aside what a job will make of what it has taken. */
export async function keepPending(
  tx: Transaction,
  groupId: string,
  memberId: string,
  pending: readonly Binding[],
): Promise<void> {
  await tx.query(sql`
    update binding_versions set pending = ${JSON.stringify(pending)}::jsonb
    where group_id = ${groupId} and member_id = ${memberId}`);
}

/**
 * That a member is bound to few enough positions, with those to which jobs are about to bind it. Who asks has the member
 * ({@link requireNotClosed}), and has written what is to be.
 *
 * @throws TOO_MANY_BINDINGS
 */
export async function requireFewBindings(tx: Transaction, memberId: string): Promise<void> {
  const [row] = await tx.query<{ count: number }>(sql`
    select (select count(*) from bindings where member_id = ${memberId}) + coalesce(sum(greatest(0, jsonb_array_length(pending) - (
      select count(*) from bindings b where b.group_id = v.group_id and b.member_id = v.member_id
    ))), 0) as count
    from binding_versions v where member_id = ${memberId} and lock_holder is not null`);
  if (Number(row?.count ?? 0) > MOST_BINDINGS) throw tooManyBindings();
}

/** What a job has begun, member by member. */
export async function pendingBindings(tx: Transaction, jobId: string): Promise<Omit<Bindings, 'version'>[]> {
  const rows = await tx.query<{ groupId: string; memberId: string; pending: Written[] }>(sql`
    select group_id as "groupId", member_id as "memberId", pending from binding_versions
    where lock_holder = ${jobId} order by group_id, member_id for update`);
  return rows.map(({ groupId, memberId, pending }) => ({ groupId, memberId, bindings: pending.map(read) }));
}

/** Lets go of what a job has taken. Of what nothing was told nothing is left. */
export async function releaseBindings(
  tx: Transaction,
  groupId: string,
  memberIds: readonly string[],
  jobId: string,
): Promise<void> {
  const taken = sql`group_id = ${groupId} and member_id = any(${[...memberIds]}::text[]) and lock_holder = ${jobId}`;
  await tx.query(sql`delete from binding_versions where version = 0 and ${taken}`);
  await tx.query(sql`update binding_versions set lock_holder = null, pending = null where ${taken}`);
}

/** Binds a member to exactly these positions of a group. @returns with the next version */
export async function putBindings(tx: Transaction, after: Omit<Bindings, 'version'>): Promise<Bindings> {
  const { groupId, memberId, bindings } = after;
  const ids = bindings.map(({ positionId }) => positionId);
  const [[row]] = await Promise.all([
    tx.query<{ version: number }>(sql`
      insert into binding_versions (group_id, member_id, version) values (${groupId}, ${memberId}, 1)
      on conflict (group_id, member_id) do update set version = binding_versions.version + 1 returning version`),
    tx.query(sql`
      delete from bindings where group_id = ${groupId} and member_id = ${memberId} and position_id <> all(${ids}::text[])`),
    tx.query(sql`
      insert into bindings (group_id, member_id, position_id, bound_at, until)
      select ${groupId}, ${memberId}, position_id, bound_at, until
      from unnest(${ids}::text[], ${bindings.map(({ boundAt }) => boundAt)}::timestamptz[],
        ${bindings.map(({ until }) => until)}::timestamptz[]) as bound (position_id, bound_at, until)
      on conflict (group_id, member_id, position_id) do update set until = excluded.until`),
  ]);
  return { ...after, version: (row as { version: number }).version };
}

/** Lets all members go from all positions of groups. @returns with their next versions */
export async function removeBindings(tx: Transaction, groupIds: readonly string[]): Promise<Bindings[]> {
  const rows = await tx.query<Pick<Bindings, 'groupId' | 'memberId' | 'version'>>(sql`
    with gone as (delete from bindings where group_id = any(${[...groupIds]}::text[]) returning group_id, member_id),
    those as (select distinct group_id, member_id from gone)
    update binding_versions v set version = v.version + 1 from those
    where v.group_id = those.group_id and v.member_id = those.member_id
    returning v.group_id as "groupId", v.member_id as "memberId", v.version`);
  return rows.map((row) => ({ ...row, bindings: [] }));
}

/** So many of those who lead a group are told, at most. If all of these are suspended, the group counts as led by nobody else. */
const MOST_LEADERS = 100;

/**
 * Who else leads a group, for so long at least. Whom a job lets go, or has lead for less long, does not count, nor whom a job is about to bind, as
 * that may be undone. Who is suspended does: of that only Auth knows.
 *
 * @param positionId that of its leaders
 * @param until null: without end
 */
export async function leadersBesides(
  tx: Transaction,
  positionId: string,
  memberId: string,
  until: Date | null,
): Promise<string[]> {
  const rows = await tx.query<{ memberId: string }>(sql`
    select b.member_id as "memberId" from bindings b
    left join binding_versions v on v.group_id = b.group_id and v.member_id = b.member_id
    where b.position_id = ${positionId} and b.member_id <> ${memberId} and (b.until is null or b.until >= ${until}::timestamptz)
      and (v.pending is null or exists (
        select from jsonb_to_recordset(v.pending) as p("positionId" text, until timestamptz)
        where p."positionId" = b.position_id and (p.until is null or p.until >= ${until}::timestamptz)
      ))
    order by b.bound_at, b.member_id limit ${MOST_LEADERS}`);
  return rows.map((row) => row.memberId);
}

/**
 * To which positions, in any group, who gives something is bound for less long than until then, or a job is about to bind it: Auth may have been told
 * of that already.
 *
 * @param until null: without end
 * @throws PERMISSION_REVOKED for who is being deleted: it was let go, and is bound again should that be undone
 */
export async function endingBefore(tx: Transaction, memberId: string, until: Date | null): Promise<string[]> {
  const [row] = await tx.query<{ positionIds: string[]; isClosed: boolean }>(sql`
    with held as (
      select position_id, until from bindings where member_id = ${memberId}
      union all
      select p."positionId", p.until from binding_versions v, jsonb_to_recordset(v.pending) as p("positionId" text, until timestamptz)
      where v.member_id = ${memberId} and v.lock_holder is not null
    )
    select array(
        select distinct position_id from held where until < coalesce(${until}::timestamptz, 'infinity') order by position_id
      ) as "positionIds",
      exists (select from closed_members where member_id = ${memberId}) as "isClosed"`);
  if (row?.isClosed) throw permissionRevoked();
  return row?.positionIds ?? [];
}

/** For how long members are bound to a position, or jobs are about to bind them; null: without end. */
export const termsOf = (tx: Transaction, groupId: string, positionId: string): Promise<{ until: Date | null }[]> =>
  tx.query<{ until: Date | null }>(sql`
    select until from bindings where position_id = ${positionId}
    union all
    select p.until from binding_versions v, jsonb_to_recordset(v.pending) as p("positionId" text, until timestamptz)
    where v.group_id = ${groupId} and v.lock_holder is not null and p."positionId" = ${positionId}`);

/** Whether anybody is bound to a position, or a job is about to bind somebody. In one statement: a job may end in between. */
export async function usesOf(
  tx: Transaction,
  groupId: string,
  positionId: string,
): Promise<{ bound: boolean; binding: boolean }> {
  const [row] = await tx.query<{ bound: boolean; binding: boolean }>(sql`
    select exists (select from bindings where position_id = ${positionId}) as bound,
      exists (
        select from binding_versions where group_id = ${groupId} and lock_holder is not null
          and pending @> ${JSON.stringify([{ positionId }])}::jsonb
      ) as binding`);
  return row as { bound: boolean; binding: boolean };
}

/** Who is bound to a position; and of all who are or were bound in its group, those at whose bindings a job is, and those who are deleted. */
export async function holdersOf(tx: Transaction, positionId: string, limit: number): Promise<string[]> {
  const rows = await tx.query<{ memberId: string }>(sql`
    select member_id as "memberId" from bindings where position_id = ${positionId}
    union select member_id from binding_versions v where group_id = (select group_id from positions where position_id = ${positionId})
      and (lock_holder is not null or exists (select from closed_members c where c.member_id = v.member_id))
    limit ${limit}`);
  return rows.map(({ memberId }) => memberId);
}

/** Whether a job, other than this one, is at what members are bound to in groups. */
export async function areBindingsTaken(tx: Transaction, groupIds: readonly string[], jobId: string): Promise<boolean> {
  const rows = await tx.query(sql`
    select from binding_versions where group_id = any(${[...groupIds]}::text[]) and lock_holder <> ${jobId} limit 1`);
  return rows.length > 0;
}

/**
 * A page of what members are bound to, or were once, or that of some IDs; in the order of the groups' and members' IDs. `changing`: a job
 * has it.
 */
export async function readBindings(db: Transaction, which: Which): Promise<(Bindings & { changing: boolean })[]> {
  const [groupIds, memberIds] = split('ids' in which ? which.ids : [which.after]);
  const some =
    'ids' in which
      ? sql`(group_id, member_id) in (select * from unnest(${groupIds}::text[], ${memberIds}::text[])) order by group_id, member_id`
      : sql`(group_id, member_id) > (${groupIds[0]}, ${memberIds[0]}) order by group_id, member_id limit ${which.limit}`;
  const seen = which.begun ? sql`version >= 0` : sql`version > 0`;
  const rows = await db.query<Omit<Bindings, 'bindings'> & { bindings: Written[]; changing: boolean }>(sql`
    select group_id as "groupId", member_id as "memberId", version, lock_holder is not null as changing,
      coalesce((
        select jsonb_agg(jsonb_build_object('positionId', position_id, 'boundAt', bound_at, 'until', until) order by position_id)
        from bindings b where b.group_id = v.group_id and b.member_id = v.member_id
      ), '[]') as bindings
    from binding_versions v where ${seen} and ${some}`);
  return rows.map((row) => ({ ...row, bindings: row.bindings.map(read) }));
}

/** Whether a job is at what a member is bound to. */
export async function areBindingsTakenOf(tx: Transaction, memberId: string): Promise<boolean> {
  const rows = await tx.query(
    sql`select from binding_versions where member_id = ${memberId} and lock_holder is not null limit 1`,
  );
  return rows.length > 0;
}

/** Raises the versions of those that are not newer than what readers have. @returns their IDs */
export async function raiseBindings(tx: Transaction, seen: readonly AggregateVersion[]): Promise<string[]> {
  const [groupIds, memberIds] = split(seen.map(({ id }) => id));
  const rows = await tx.query<Pick<Bindings, 'groupId' | 'memberId'>>(sql`
    insert into binding_versions (group_id, member_id, version)
    select group_id, member_id, version + 1
    from unnest(${groupIds}::text[], ${memberIds}::text[], ${seen.map(({ version }) => version)}::bigint[])
      as seen (group_id, member_id, version)
    on conflict (group_id, member_id) do update set version = excluded.version where binding_versions.version < excluded.version
    returning group_id as "groupId", member_id as "memberId"`);
  return rows.map(bindingsId);
}

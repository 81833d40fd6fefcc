import { sql, type Transaction } from '#platform/postgres/database.ts';
import { DEEPEST, MOST_SUBGROUPS } from '#platform/validation/group-fields.ts';
import type { Above, Group, GroupChange, Visibility } from '../domain.ts';
import { holdsBelow } from '../domain.ts';
import { groupArchived, groupBusy, groupTooDeep, tooManySubgroups } from '../refusals.ts';

// The tree of groups. Each knows the one that it is in, and nothing else of where it is: a move is one row, whatever is below it.

/** The advisory lock of the tree is of kind 9, those of members are of kind 10; two numbers are a space of their own. */
const TREE = sql`9, 1`;

/**
 * Takes part in the tree until the transaction ends. Whoever begins to change one group shares it (`part`); who begins what holds all that is
 * below a group has it alone (`whole`), so that it misses nobody and nobody misses it.
 */
export async function holdTree(tx: Transaction, how: 'part' | 'whole'): Promise<void> {
  await tx.query(
    how === 'whole' ? sql`select pg_advisory_xact_lock(${TREE})` : sql`select pg_advisory_xact_lock_shared(${TREE})`,
  );
}

/** Has what is begun at a group, or below it, from now on wait for a job. */
export async function closeTree(tx: Transaction, groupId: string, jobId: string): Promise<void> {
  await tx.query(sql`insert into closings (job_id, group_id) values (${jobId}, ${groupId}) on conflict (job_id) do nothing`);
}

/** It waits no more. */
export async function reopenTree(tx: Transaction, jobId: string): Promise<void> {
  await tx.query(sql`delete from closings where job_id = ${jobId}`);
}

/**
 * A group and those that it is in, itself first and the whole organisation last; empty: there is no such group.
 *
 * @param jobId the job that asks, where it may have closed a group itself: those that were closed later do not hold it up
 */
export function pathOf(tx: Transaction, groupId: string, jobId = ''): Promise<Above[]> {
  return tx.query<Above>(sql`
    with recursive path as (
      select group_id, parent_id, archived_at, pending, 1 as height from groups where group_id = ${groupId}
      union all
      select g.group_id, g.parent_id, g.archived_at, g.pending, height + 1 from path p join groups g on g.group_id = p.parent_id
    )
    select group_id as "groupId", archived_at is not null as "isArchived", pending->>'change' as change, exists (
      select from closings c where c.group_id = path.group_id and c.job_id <> ${jobId}
        and c.place < coalesce((select place from closings where job_id = ${jobId}), c.place + 1)
    ) as "isClosed" from path order by height`);
}

/** @throws GROUP_BUSY (retryable) while a job is at one of them that holds what is below, or is about to */
export function requireNotHeld(above: readonly Above[]): void {
  if (above.some((one) => one.isClosed || holdsBelow(one))) throw groupBusy();
}

/** @throws GROUP_ARCHIVED */
export function requireNotArchived(above: readonly Above[]): void {
  if (above.some(({ isArchived }) => isArchived)) throw groupArchived();
}

/**
 * That a group can come into another one. Who asks has the other one's row until the transaction ends, so that the rule holds for all who
 * come into it at once.
 *
 * @param path of the one that it comes into
 * @param height how many groups there are from it to the deepest that is below it, itself counted
 * @throws GROUP_BUSY (retryable), GROUP_ARCHIVED, GROUP_TOO_DEEP, TOO_MANY_SUBGROUPS
 */
export async function requireRoom(tx: Transaction, path: readonly Above[], groupId: string, height: number): Promise<void> {
  requireNotHeld(path);
  requireNotArchived(path);
  if (path.length + height > DEEPEST) throw groupTooDeep();
  const [count] = await tx.query<{ count: number }>(sql`
    select count(*) as count from (
      select group_id from groups where parent_id = ${path[0]?.groupId}
      union select group_id from groups where pending->>'change' = 'move' and pending->>'parentId' = ${path[0]?.groupId}
    ) those where group_id <> ${groupId}`);
  if ((count?.count ?? 0) >= MOST_SUBGROUPS) throw tooManySubgroups();
}

/** Takes a group's row, so that one after the other comes into it. */
export async function holdParent(tx: Transaction, groupId: string): Promise<void> {
  // "No key": that others refer to this row need not wait.
  await tx.query(sql`select from groups where group_id = ${groupId} for no key update`);
}

/** What is below a group, itself counted, in one table: `below (group_id, depth)`. */
const below = (groupId: string) => sql`
  recursive below as (
    select group_id, 0 as depth from groups where group_id = ${groupId}
    union all
    select g.group_id, depth + 1 from below b join groups g on g.parent_id = b.group_id
  )`;

/**
 * How high a group is with all that is below it, for a job that is to hold all that. Together with {@link requireRoom} it keeps moves apart:
 * no group is about to come into one that is moved itself, so several can be under way, in whichever order they end.
 *
 * @throws GROUP_BUSY (retryable) while another job is at one of them, or is about to move a group to one of them
 */
export async function heightOf(tx: Transaction, groupId: string): Promise<number> {
  const [row] = await tx.query<{ height: number; isBusy: boolean }>(sql`
    with ${below(groupId)}
    select max(depth) + 1 as height, bool_or(g.lock_holder is not null) or exists (
      select from groups m join below t on t.group_id = m.pending->>'parentId' where m.pending->>'change' = 'move'
    ) as "isBusy"
    from below b join groups g using (group_id)`);
  if (!row || row.isBusy) throw groupBusy();
  return row.height;
}

/** @throws GROUP_BUSY (retryable) while a job changes who is in a group or in one below it, or holds one of them for another reason */
export async function requireStill(tx: Transaction, groupId: string): Promise<void> {
  const rows = await tx.query(sql`
    with ${below(groupId)}
    (select from memberships m join below using (group_id) where m.lock_holder is not null limit 1)
    union all (select from holds join below using (group_id) limit 1)`);
  if (rows.length > 0) throw groupBusy();
}

/** Whether jobs have begun what members do by themselves in a group of that visibility. */
export async function areComingThrough(tx: Transaction, groupId: string, visibility: Visibility): Promise<boolean> {
  const rows = await tx.query(sql`
    select from memberships where group_id = ${groupId} and lock_holder is not null and pending->>'through' = ${visibility} limit 1`);
  return rows.length > 0;
}

const doomedBy = (jobId: string) => sql`lock_holder = ${jobId} and pending->>'change' = 'delete'`;

/** Marks a group and all that is below it, for a job that deletes them. */
export async function markDoomed(tx: Transaction, groupId: string, jobId: string): Promise<void> {
  await tx.query(sql`
    with ${below(groupId)}
    update groups g set lock_holder = ${jobId}, pending = jsonb_build_object('change', ${'delete' satisfies GroupChange['change']}::text, 'depth', depth)
    from below b where b.group_id = g.group_id`);
}

/** Lets go of all that a job was to delete. */
export async function unmarkDoomed(tx: Transaction, jobId: string): Promise<void> {
  await tx.query(sql`
    update groups set lock_holder = null, pending = null where ${doomedBy(jobId)}`);
}

/** How much a job is to delete: groups, and what was ever a membership of one. */
export async function countDoomed(tx: Transaction, jobId: string): Promise<{ groups: number; memberships: number }> {
  const [row] = await tx.query<{ groups: number; memberships: number }>(sql`
    with doomed as (select group_id from groups where ${doomedBy(jobId)})
    select (select count(*) from doomed) as groups,
      (select count(*) from memberships m join doomed using (group_id)) as memberships`);
  return row ?? { groups: 0, memberships: 0 };
}

type Doomed = Pick<Group, 'groupId' | 'version' | 'parentId' | 'visibility'>;

/** Some of the groups that a job is to delete, the deepest first. */
export function someDoomed(tx: Transaction, jobId: string, limit: number): Promise<Doomed[]> {
  return tx.query<Doomed>(sql`
    select group_id as "groupId", version, parent_id as "parentId", visibility from groups where ${doomedBy(jobId)}
    order by (pending->>'depth')::int desc, group_id limit ${limit} for update`);
}

/** Removes groups, of which each that is in another one is removed together with that, or before it. */
export async function removeGroups(tx: Transaction, groups: readonly Pick<Group, 'groupId' | 'version'>[]): Promise<void> {
  await tx.query(sql`delete from groups where group_id = any(${groups.map(({ groupId }) => groupId)}::text[])`);
  await noteDeleted(
    tx,
    groups.map(({ groupId, version }) => ({ groupId, version: version + 1 })),
    new Date(),
  );
}

/** Notes of groups that they are deleted, each with the version of its end. @param at null: nobody has deleted them, but they are given up */
export async function noteDeleted(
  tx: Transaction,
  groups: readonly Pick<Group, 'groupId' | 'version'>[],
  at: Date | null,
): Promise<void> {
  await tx.query(sql`
    insert into deleted_groups (group_id, version, deleted_at)
    select *, ${at} from unnest(${groups.map(({ groupId }) => groupId)}::text[], ${groups.map(({ version }) => version)}::bigint[])
    on conflict do nothing`);
}

/** For so long others may still be at the end of a group. */
const ENDS_WITHIN = sql`interval '1 hour'`;

/** A group that was deleted. */
interface Deleted extends Pick<Group, 'groupId' | 'version'> {
  /** Its job may still have others forget it. */
  changing: boolean;
}

/** Those of these groups that were deleted. One that is there is none, as a restored copy may have brought it back. */
export const findDeleted = (db: Transaction, groupIds: readonly string[]): Promise<Deleted[]> =>
  db.query<Deleted>(sql`
    select group_id as "groupId", version, coalesce(deleted_at > now() - ${ENDS_WITHIN}, false) as changing from deleted_groups d
    where group_id = any(${[...groupIds]}::text[]) and not exists (select from groups g where g.group_id = d.group_id)`);

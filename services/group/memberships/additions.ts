import { type Database, type Query, sql, type Transaction } from '#platform/postgres/database.ts';
import type { ProblemCode } from '#platform/problems.ts';
import { MOST_GROUPS, ROOT } from '#platform/validation/group-fields.ts';
import { memberDeleting, tooManyGroups } from '../refusals.ts';

// Members that a job adds to a group, line by line, in the store. Each line ends by itself.

/** So many lines are a part: one transaction that others do not feel. It locks each of its members, and all such locks are in one small table of the server. */
export const LINES_IN_PART = 100;
/** So long lines are kept at the least: more than a job takes. */
const KEPT_SECONDS = 30 * 86_400;

/** That a line has not ended. */
const IS_OPEN = sql`(outcome is null or outcome = 'held')`;

/** One line of what a job adds. */
export interface Addition {
  line: number;
  memberId: string;
  /** Null: it is not its turn yet. `held` while it is; then `added`, `already` in the group, or the code by which it was refused. */
  outcome: string | null;
}

/** A member that a line does not bring into the group, and why. */
export interface Ended {
  memberId: string;
  outcome: string;
}

/** Notes what a job is to add, each member as a line. */
export async function insertAdditions(
  tx: Transaction,
  { jobId, groupId, memberIds }: { jobId: string; groupId: string; memberIds: readonly string[] },
): Promise<void> {
  await tx.query(sql`
    insert into additions (job_id, line, group_id, member_id, begun_at)
    select ${jobId}, ordinality - 1, ${groupId}, member_id, now() from unnest(${[...memberIds]}::text[]) with ordinality as given (member_id)`);
}

/** Forgets the lines of these members that have ended. @returns whose they were, line by line */
export async function eraseAdditions(tx: Transaction, memberIds: readonly string[]): Promise<string[]> {
  const gone = await tx.query<{ memberId: string }>(sql`
    delete from additions where member_id = any(${[...memberIds]}::text[]) and outcome <> 'held' returning member_id as "memberId"`);
  return gone.map(({ memberId }) => memberId);
}

export async function removeAdditions(tx: Transaction, jobId: string): Promise<void> {
  await tx.query(sql`delete from additions where job_id = ${jobId}`);
}

/**
 * Forgets what jobs of long ago have added, one after the other. A job that still has lines to do is passed over, however old it is.
 *
 * @param readSeconds so long a job can be read after its end, and its lines with it
 */
export async function pruneAdditions(db: Database, readSeconds: number): Promise<void> {
  const after = { begunAt: new Date(0), jobId: '' };
  for (;;) {
    const [oldest] = await db.query<typeof after>(sql`
      select begun_at as "begunAt", job_id as "jobId" from additions
      where (begun_at, job_id) > (${after.begunAt}, ${after.jobId}) and begun_at < now() - make_interval(secs => ${KEPT_SECONDS + readSeconds})
      order by begun_at, job_id limit 1`);
    if (!oldest) return;
    await db.query(sql`
      delete from additions where job_id = ${oldest.jobId}
        and not exists (select from additions where job_id = ${oldest.jobId} and ${IS_OPEN})`);
    Object.assign(after, oldest);
  }
}

export async function countAdditions(tx: Transaction, jobId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(sql`select count(*) as count from additions where job_id = ${jobId}`);
  return row?.count ?? 0;
}

export async function sumUpAdditions(
  tx: Transaction,
  jobId: string,
): Promise<{ added: number; already: number; refused: number }> {
  const [row] = await tx.query<{ added: number; already: number; refused: number }>(sql`
    select count(*) filter (where outcome = 'added') as added, count(*) filter (where outcome = 'already') as already,
      count(*) filter (where outcome not in ('held', 'added', 'already')) as refused
    from additions where job_id = ${jobId}`);
  return row ?? { added: 0, already: 0, refused: 0 };
}

/** The lines of one part that wait for their turn, or whose turn it is; nobody else changes them until the transaction ends. */
export async function openAdditions(
  tx: Transaction,
  jobId: string,
  part: number,
  which: 'waiting' | 'held',
): Promise<{ groupId: string; memberIds: string[] }> {
  const from = part * LINES_IN_PART;
  const rows = await tx.query<{ groupId: string; memberId: string }>(sql`
    select group_id as "groupId", member_id as "memberId" from additions
    where job_id = ${jobId} and line >= ${from} and line < ${from + LINES_IN_PART}
      and ${which === 'held' ? sql`outcome = 'held'` : sql`outcome is null`}
    order by line for update`);
  return { groupId: rows[0]?.groupId ?? '', memberIds: rows.map(({ memberId }) => memberId) };
}

/** Notes what becomes of lines. */
export async function setOutcomes(tx: Transaction, jobId: string, ended: readonly Ended[]): Promise<void> {
  await tx.query(sql`
    update additions a set outcome = given.outcome
    from unnest(${ended.map(({ memberId }) => memberId)}::text[], ${ended.map(({ outcome }) => outcome)}::text[]) as given (member_id, outcome)
    where job_id = ${jobId} and a.member_id = given.member_id`);
}

/** Refuses all lines of a job whose turn has not come. */
export async function stopAdditions(db: Transaction, jobId: string): Promise<void> {
  await db.query(sql`
    update additions set outcome = ${'LINE_CANCELLED' satisfies ProblemCode} where job_id = ${jobId} and outcome is null`);
}

/** What keeps members from coming into a group, or has them there already. Who asks has the members. */
export async function findHindered(
  tx: Transaction,
  groupId: string,
  memberIds: readonly string[],
): Promise<{ hindered: Ended[]; isBusy: boolean }> {
  // Everybody whom Group knows is in the whole organisation (who is older than that, is taken in by a job). With others nothing is begun.
  type Found = Record<'isIn' | 'isBusy' | 'isClosed' | 'isUnknown', boolean> & { memberId: string; groups: number };
  const rows = await tx.query<Found>(sql`
    select id as "memberId", bool_or(group_id = ${groupId} and joined_at is not null) is true as "isIn",
      bool_or(group_id = ${groupId} and lock_holder is not null) is true as "isBusy",
      exists (select from closed_members where closed_members.member_id = id) as "isClosed",
      bool_or(group_id = ${ROOT} and joined_at is not null) is not true and exists (select from taken_in) as "isUnknown",
      count(*) filter (where joined_at is not null or pending->'isMember' = 'true'::jsonb) as groups
    from unnest(${[...memberIds]}::text[]) as given (id) left join memberships m on m.member_id = id group by id`);
  const hindered = rows.flatMap(({ memberId, isIn, isClosed, isUnknown, groups }) => {
    if (isClosed) return [{ memberId, outcome: memberDeleting().code }];
    if (isUnknown) return [{ memberId, outcome: 'MEMBER_NOT_FOUND' satisfies ProblemCode }];
    if (isIn) return [{ memberId, outcome: 'already' }];
    return groups >= MOST_GROUPS ? [{ memberId, outcome: tooManyGroups().code }] : [];
  });
  return { hindered, isBusy: rows.some(({ isBusy, isClosed }) => isBusy && !isClosed) };
}

/** Which lines are asked for. Undefined: all. */
export type Which = 'waiting' | 'added' | 'already' | 'refused' | undefined;

/** Some lines of a job, in their order. @param after the line that they come after */
export function readAdditions(
  db: Transaction,
  { jobId, which, after, limit }: { jobId: string; which: Which; after: number; limit: number },
): Promise<Addition[]> {
  const conditions: Record<NonNullable<Which>, Query> = {
    waiting: IS_OPEN,
    added: sql`outcome = 'added'`,
    already: sql`outcome = 'already'`,
    refused: sql`outcome not in ('held', 'added', 'already')`,
  };
  return db.query<Addition>(sql`
    select line, member_id as "memberId", outcome from additions
    where job_id = ${jobId} and line > ${after} and ${which ? conditions[which] : sql`true`} order by line limit ${limit}`);
}

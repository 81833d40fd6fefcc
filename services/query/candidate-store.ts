import { type Database, join, nullsAbsent, type Query, sql } from '#platform/postgres/database.ts';
import type {
  GROUP_INVITATION_LIST,
  GROUP_REQUEST_LIST,
  MEMBER_EXPULSION_LIST,
  MEMBER_INVITATION_LIST,
  MEMBER_REQUEST_LIST,
} from '#platform/validation/group-lists.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { Expulsion, Invitation, JoinRequest } from '#proto/musubi/group/v1/group.ts';
import { Candidacy, type CandidacyView, type Candidate, type MemberView } from '#proto/musubi/query/v1/query.ts';
import type { Page } from './cursor.ts';
import { seenIn } from './group-store.ts';
import { type Columns, filtered, type Listing, ordered } from './listing.ts';
import { type Reading, rowsOf } from './search.ts';
import { seenBy } from './seen.ts';
import { LISTED, MEMBER_FIELDS, MEMBERS } from './store.ts';

// Who has asked to be let into a group, is invited, or was put out, as that is read.

/** What of a membership tells of these, under the names of the messages. */
const FIELDS = sql`
  s.requested_at as "requestedAt", coalesce(s.message, '') as message, s.declined_at as "declinedAt",
  coalesce(s.decline_reason, '') as "declineReason", s.invited_at as "invitedAt", s.inviter_id as "inviterId", s.until,
  s.expelled_at as "expelledAt", coalesce(s.reason, '') as reason`;

interface Told {
  requestedAt: Date | null;
  message: string;
  declinedAt: Date | null;
  declineReason: string;
  invitedAt: Date | null;
  inviterId: string | null;
  until: Date | null;
  expelledAt: Date | null;
  reason: string;
}

/** The one of them that is asked for: a list of one kind says nothing of another. */
function toldOf(candidacy: Candidacy, told: Told): { request?: JoinRequest; invitation?: Invitation; expulsion?: Expulsion } {
  const { requestedAt, message, declinedAt, declineReason, invitedAt, inviterId, until, expelledAt, reason } = told;
  if (candidacy === Candidacy.CANDIDACY_REQUESTED && requestedAt)
    return { request: { requestedAt, message, declinedAt: declinedAt ?? undefined, declineReason } };
  if (candidacy === Candidacy.CANDIDACY_INVITED && invitedAt)
    return { invitation: { invitedAt, inviterId: inviterId ?? '', until: until ?? undefined } };
  if (candidacy === Candidacy.CANDIDACY_EXPELLED && expelledAt) return { expulsion: { expelledAt, reason } };
  return {};
}

const TIMES = {
  requestedAt: { value: sql`s.requested_at`, isTime: true },
  invitedAt: { value: sql`s.invited_at`, isTime: true },
  expiresAt: { value: sql`s.until`, isTime: true },
  expelledAt: { value: sql`s.expelled_at`, isTime: true },
} as const;
const INVITER = { value: sql`s.inviter_id` };

/** By what candidates are filtered and ordered. */
export const CANDIDATE_COLUMNS = {
  ...TIMES,
  displayName: { value: sql`m.display_name` },
  inviterId: INVITER,
} satisfies Columns<typeof GROUP_REQUEST_LIST> & Columns<typeof GROUP_INVITATION_LIST>;

/** By what candidacies are. */
export const CANDIDACY_COLUMNS = {
  ...TIMES,
  groupId: { value: sql`s.group_id` },
  inviterId: INVITER,
  state: { value: sql`case when s.declined_at is null then 'pending' else 'declined' end` },
} satisfies Columns<typeof MEMBER_REQUEST_LIST> & Columns<typeof MEMBER_INVITATION_LIST> & Columns<typeof MEMBER_EXPULSION_LIST>;

/** Which candidates of a group are listed. */
export interface Candidates extends Page {
  groupId: string;
  candidacy: Candidacy;
  listing: Listing;
  /** Those members that who asks may see. */
  seen: Condition | undefined;
}

/** The statement of a page of candidates: those who have asked to be let in, as long as nobody has decided, or those who are invited. */
export function candidatesPage({ groupId, candidacy, listing, seen, after, limit }: Candidates): Query {
  const stands =
    candidacy === Candidacy.CANDIDACY_REQUESTED
      ? sql`s.requested_at is not null and s.declined_at is null`
      : sql`s.invited_at is not null`;
  const { rest, by } = ordered(listing, CANDIDATE_COLUMNS, sql`m.id`, after);
  const all = [
    sql`s.group_id = ${groupId} and ${stands}`,
    sql`m.visible`,
    seenBy(seen, LISTED),
    ...filtered(listing, CANDIDATE_COLUMNS),
    rest,
  ];
  return sql`
    select ${MEMBER_FIELDS}, ${FIELDS} from ${MEMBERS} join memberships s on s.member_id = m.id
    where ${join(all, sql` and `)} order by ${by} limit ${limit}`;
}

/** @throws as {@link rowsOf} */
export async function candidates(
  db: Database,
  given: Candidates,
  reading?: Reading,
): Promise<(Candidate & { member: MemberView })[]> {
  const rows = await rowsOf<MemberView & Told>(db, candidatesPage(given), reading);
  return rows.map(
    ({ requestedAt, message, declinedAt, declineReason, invitedAt, inviterId, until, expelledAt, reason, ...member }) => ({
      member: nullsAbsent(member),
      request: undefined,
      invitation: undefined,
      ...toldOf(given.candidacy, {
        ...{ requestedAt, message, declinedAt, declineReason, invitedAt, inviterId, until, expelledAt, reason },
      }),
    }),
  );
}

/** Which candidacies of a member are listed. */
export interface Candidacies extends Page {
  memberId: string;
  candidacy: Candidacy;
  listing: Listing;
  /** The groups of which who asks may see the names. */
  seen: Condition | undefined;
  /** Only of this group; empty: all. */
  groupId: string;
}

const STANDS: Partial<Record<Candidacy, Query>> = {
  [Candidacy.CANDIDACY_REQUESTED]: sql`s.requested_at is not null`,
  [Candidacy.CANDIDACY_INVITED]: sql`s.invited_at is not null`,
  [Candidacy.CANDIDACY_EXPELLED]: sql`s.expelled_at is not null`,
};

/** The statement of a page of what a member is to groups that it is not in: of each, whether it is seen or not. */
export function candidaciesPage({ memberId, candidacy, listing, seen, groupId, after, limit }: Candidacies): Query {
  const { rest, by } = ordered(listing, CANDIDACY_COLUMNS, sql`s.group_id`, after);
  const all = [
    sql`s.member_id = ${memberId} and s.joined_at is null and s.gone_at is null`,
    STANDS[candidacy] ?? sql`false`,
    ...(groupId === '' ? [] : [sql`s.group_id = ${groupId}`]),
    ...filtered(listing, CANDIDACY_COLUMNS),
    rest,
  ];
  return sql`
    select s.group_id as "groupId", s.member_id as "memberId", t.name as "groupName", ${FIELDS}
    from memberships s left join groups t on t.id = s.group_id and ${seenIn(sql`t`, seen)}
    where ${join(all, sql` and `)} order by ${by} limit ${limit}`;
}

/** @throws CALLER_GONE once the signal has aborted */
export async function candidacies(db: Database, given: Candidacies, signal?: AbortSignal): Promise<CandidacyView[]> {
  type Row = Told & { groupId: string; memberId: string; groupName: string | null };
  const rows = await db.query<Row>(candidaciesPage(given), signal);
  return rows.map(({ groupId, memberId, groupName, ...told }) => ({
    groupId,
    memberId,
    groupName: groupName ?? undefined,
    ...{ request: undefined, invitation: undefined, expulsion: undefined },
    ...toldOf(given.candidacy, told),
  }));
}

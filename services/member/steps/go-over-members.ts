import { invalidFields } from '#platform/errors.ts';
import type { Step } from '#platform/operations/postgres.ts';
import { sql } from '#platform/postgres/database.ts';
import type {
  CountMembersRequest,
  CountMembersResponse,
  ListPartRequest,
  ListPartResponse,
} from '#proto/musubi/member/v1/member.ts';

/** Who is being registered may yet be no member. */
const REGISTERED = sql`status <> 'PENDING'`;

/** How many members there are. */
export const countMembers: Step<CountMembersRequest, CountMembersResponse> = {
  async do(tx) {
    const [row] = await tx.query<{ members: number }>(sql`select count(*)::int as members from members where ${REGISTERED}`);
    return { result: { members: row?.members ?? 0 } };
  },
  undo: 'impossible',
};

const MOST_PARTS = 10_000;
/** That of all numbers that a hash can be: with it, none is below zero. Each part looks at all members, so this is quick. */
const HIGHEST = '9223372036854775807';

/** One of so many parts of all members. By what an ID hashes to, a member is in the same one whoever comes and goes meanwhile. */
export const listPart: Step<ListPartRequest, ListPartResponse> = {
  async do(tx, { parts, part }) {
    if (parts < 1 || parts > MOST_PARTS) throw invalidFields([{ field: 'parts', message: `must be 1 to ${MOST_PARTS}` }]);
    const rows = await tx.query<{ memberId: string }>(sql`
      select member_id as "memberId" from members
      where ${REGISTERED} and (hashtextextended(member_id, 0) & ${HIGHEST}::bigint) % ${parts}::bigint = ${part} order by member_id`);
    return { result: { memberIds: rows.map(({ memberId }) => memberId) } };
  },
  undo: 'impossible',
};

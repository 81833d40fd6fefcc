import { countedBy, type Erasure } from '#platform/erasure.ts';
import { eraseUndos } from '#platform/operations/postgres.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import type { Tied } from './events.ts';
import { eraseAdditions } from './memberships/additions.ts';
import { IS_TIED, TIED, tellMemberships, UNTIED } from './memberships/memberships.ts';

/** What a job may say of a member in what it will make of a membership. */
const SAID = sql`array['reason', 'message']`;

/**
 * How Group erases deleted members: a deletion ends what they are to groups already, and a restored copy may have brought it back. Why
 * they were put out of some, or not let in, goes, too, and what they said when they asked; and that a job was to add them. A line whose turn
 * has not come waits for that: it is refused.
 */
export const groupErasure = (db: Database): Erasure => ({
  erase: (memberIds) =>
    db.transaction(async (tx) => {
      const ended = await tx.query<Tied>(sql`
        update memberships set ${UNTIED},
          pending = (select jsonb_object_agg(key, case when key = any(${SAID}) then 'null' else value end) from jsonb_each(pending))
        where member_id = any(${[...memberIds]}::text[]) and (
          ${IS_TIED} or coalesce(pending->>'reason', pending->>'message') is not null
        )
        returning ${TIED}`);
      await tellMemberships(tx, ended);
      const ofMemberships = countedBy(
        'memberships',
        ended.map(({ memberId }) => memberId),
      );
      const ofAdditions = countedBy('additions', await eraseAdditions(tx, memberIds));
      return { erased: [...ofMemberships, ...ofAdditions, ...(await eraseUndos(tx, memberIds))] };
    }),
});

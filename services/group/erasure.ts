import { countedBy, type Erasure } from '#platform/erasure.ts';
import { eraseUndos } from '#platform/operations/postgres.ts';
import { type Database, fieldsOf, sql } from '#platform/postgres/database.ts';
import type { Standing } from './events.ts';
import { tellMemberships } from './memberships.ts';

/**
 * How Group erases deleted members: a deletion ends what they are to groups already, and a restored copy may have brought it back. Why
 * they were put out of some goes, too.
 */
export const groupErasure = (db: Database): Erasure => ({
  erase: (memberIds) =>
    db.transaction(async (tx) => {
      const ended = await tx.query<Standing>(sql`
        update memberships set joined_at = null, reason = null, tag_ids = '{}', version = version + 1,
          pending = case when pending ? 'reason' then pending || '{"reason": null}' else pending end
        where member_id = any(${[...memberIds]}::text[]) and (joined_at is not null or reason is not null or pending->>'reason' is not null)
        returning ${fieldsOf(['groupId', 'memberId', 'joinedAt', 'reason', 'tagIds', 'version'] as const)}`);
      await tellMemberships(tx, ended);
      const ofMemberships = countedBy(
        'memberships',
        ended.map(({ memberId }) => memberId),
      );
      return { erased: [...ofMemberships, ...(await eraseUndos(tx, memberIds))] };
    }),
});

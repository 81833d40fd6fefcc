import type { Database } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { MemberView } from '#proto/musubi/query/v1/query.ts';
import { memberLoader } from './store.ts';

/** Lets see everything. */
export const ALL: Condition = { kind: { $case: 'always', value: true } };

/** Lets see nothing. */
export const NOTHING: Condition = { kind: { $case: 'always', value: false } };

/** A member as it is shown to who may see all. */
export const shownMember = (db: Database, memberId: string): Promise<MemberView | undefined> =>
  memberLoader(db)({ memberId, seen: ALL });

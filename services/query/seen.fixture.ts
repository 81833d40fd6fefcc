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

/** Lets see these. */
export const only = (...ids: string[]): Condition => ({ kind: { $case: 'ids', value: { ids } } });

/** Lets see the groups that everybody finds. */
export const FINDABLE: Condition = { kind: { $case: 'findable', value: true } };

/** Lets see these groups, and all that is below them. */
export const below = (...ids: string[]): Condition => ({
  kind: { $case: 'in', value: { references: ids.map((id) => ({ type: 'Group', id })) } },
});

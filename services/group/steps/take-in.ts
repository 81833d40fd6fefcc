import { invalidFields } from '#platform/errors.ts';
import type { Step } from '#platform/operations/postgres.ts';
import { sql } from '#platform/postgres/database.ts';
import type {
  EnterMembersRequest,
  EnterMembersResponse,
  NoteTakenInRequest,
  NoteTakenInResponse,
} from '#proto/musubi/group/v1/group.ts';
import { membershipEvent } from '../events.ts';
import { enterMembers as enter } from '../memberships/memberships.ts';

// Members of before there were groups are taken in once. Those that were registered since come in by their registration.

/** So many are one transaction that others do not feel. */
const MOST = 1_000;

/** Has members be in the whole organisation. Those that are in it already, or that are being deleted, are passed over. */
export const enterMembers: Step<EnterMembersRequest, EnterMembersResponse> = {
  async do(tx, { memberIds }) {
    if (memberIds.length > MOST) throw invalidFields([{ field: 'memberIds', message: `must have at most ${MOST} entries` }]);
    const entered = await enter(tx, memberIds);
    return { result: { memberIds: entered.map(({ memberId }) => memberId) }, events: entered.map(membershipEvent) };
  },
  undo: 'impossible',
};

/** Notes that all are taken in, so that no start has it done again. */
export const noteTakenIn: Step<NoteTakenInRequest, NoteTakenInResponse> = {
  async do(tx) {
    await tx.query(sql`insert into taken_in (at) select now() where not exists (select from taken_in)`);
    return { result: {} };
  },
  undo: 'impossible',
};

import { invalidFields, MusubiError } from '#platform/errors.ts';
import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { MOST_ADDED } from '#platform/validation/group-fields.ts';
import { jobOf } from '#platform/validation/id.ts';
import type {
  BeginAddMembersRequest,
  BeginAddMembersResponse,
  CommitAdditionsRequest,
  CommitAdditionsResponse,
  CountAdditionsRequest,
  CountAdditionsResponse,
  HoldAdditionsRequest,
  HoldAdditionsResponse,
  SumUpAdditionsRequest,
  SumUpAdditionsResponse,
} from '#proto/musubi/group/v1/group.ts';
import { requireMemberId } from '../domain.ts';
import { membershipEvent, writtenMembership } from '../events.ts';
import * as additions from '../memberships/additions.ts';
import { addMemberships, holdMembers, holdMemberships, releaseMemberships } from '../memberships/memberships.ts';
import { membershipBusy } from '../refusals.ts';
import { requireOpenTo } from './begin-change-membership.ts';

// Many are added to a group, part by part. What was begun is kept as lines, of which each ends by itself: so all that comes after the
// pivot is found here, and is never refused as a whole.

/** Notes whom a job is to add to a group. @throws as beginChangeMembership does for the group; INVALID_ARGUMENT */
export const beginAddMembers: Step<BeginAddMembersRequest, BeginAddMembersResponse, { jobId: string }> = {
  async do(tx, { operationId, groupId, memberIds }) {
    if (memberIds.length === 0 || memberIds.length > MOST_ADDED || new Set(memberIds).size < memberIds.length)
      throw invalidFields([{ field: 'memberIds', message: `must be 1 to ${MOST_ADDED} members, each once` }]);
    memberIds.forEach(requireMemberId);
    const jobId = jobOf(operationId);
    await requireOpenTo(tx, groupId, 'MEMBERSHIP_CHANGE_ADD');
    await additions.insertAdditions(tx, { jobId, groupId, memberIds });
    return { result: {}, kept: { jobId } };
  },
  undo: (tx, { jobId }) => additions.removeAdditions(tx, jobId),
};

/** How many parts there are of what a job adds. */
export const countAdditions: Step<CountAdditionsRequest, CountAdditionsResponse> = {
  async do(tx, { operationId }) {
    const lines = await additions.countAdditions(tx, jobOf(operationId));
    return { result: { parts: Math.ceil(lines / additions.LINES_IN_PART) } };
  },
  undo: 'impossible',
};

/**
 * Begins to change what the members of one part are to the group. Lines that can not be are refused, which is no refusal of the step: what hinders a member
 * is told first, as not everybody may know it.
 *
 * @throws GROUP_BUSY, MEMBERSHIP_BUSY (retryable)
 */
export const holdAdditions: Step<HoldAdditionsRequest, HoldAdditionsResponse> = {
  async do(tx, { operationId, part }) {
    const jobId = jobOf(operationId);
    const { groupId, memberIds } = await additions.openAdditions(tx, jobId, part, 'waiting');
    if (memberIds.length === 0) return { result: { memberIds, hindered: [] } };
    const code = await whyNotOpen(tx, groupId);
    if (code) {
      const refused = memberIds.map((memberId) => ({ memberId, outcome: code }));
      await additions.setOutcomes(tx, jobId, refused);
      return { result: { memberIds: [], hindered: [] } };
    }
    await holdMembers(tx, memberIds);
    const { hindered, isBusy } = await additions.findHindered(tx, groupId, memberIds);
    if (isBusy) throw membershipBusy();
    const passedOver = new Set(hindered.map(({ memberId }) => memberId));
    const held = memberIds.filter((memberId) => !passedOver.has(memberId));
    const turns = memberIds.map((memberId) => ({ memberId, outcome: 'held' }));
    await additions.setOutcomes(tx, jobId, turns);
    await holdMemberships(tx, groupId, held, jobId, { isMember: true, reason: null });
    return { result: { memberIds: held, hindered: hindered.map(({ memberId, outcome: code }) => ({ memberId, code })) } };
  },
  undo: 'impossible',
};

/** The code by which nobody comes into the group any more. @throws GROUP_BUSY */
async function whyNotOpen(tx: Transaction, groupId: string): Promise<string | undefined> {
  try {
    await requireOpenTo(tx, groupId, 'MEMBERSHIP_CHANGE_ADD');
    return undefined;
  } catch (error) {
    if (error instanceof MusubiError && !error.retryable) return error.code;
    throw error;
  }
}

/** Does what was begun with the members of one part. Auth goes by it already, but for those that are refused. */
export const commitAdditions: Step<CommitAdditionsRequest, CommitAdditionsResponse> = {
  async do(tx, { operationId, part, refused }) {
    const jobId = jobOf(operationId);
    const { groupId, memberIds } = await additions.openAdditions(tx, jobId, part, 'held');
    const codes = new Map(refused.map(({ memberId, code }) => [memberId, code]));
    const ended = memberIds.map((memberId) => ({ memberId, outcome: codes.get(memberId) ?? 'added' }));
    const added = memberIds.filter((memberId) => !codes.has(memberId));
    await releaseMemberships(tx, groupId, [...codes.keys()], jobId);
    const after = await addMemberships(tx, groupId, added, new Date());
    await additions.setOutcomes(tx, jobId, ended);
    return { result: { written: after.map(writtenMembership) }, events: after.map(membershipEvent) };
  },
  undo: 'impossible',
};

/** How many lines ended how. */
export const sumUpAdditions: Step<SumUpAdditionsRequest, SumUpAdditionsResponse> = {
  async do(tx, { operationId }) {
    return { result: await additions.sumUpAdditions(tx, jobOf(operationId)) };
  },
  undo: 'impossible',
};

import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { jobOf } from '#platform/validation/id.ts';
import type { BeginTagRequest, BeginTagResponse } from '#proto/musubi/group/v1/group.ts';
import { requireMemberId, tidyTags } from '../domain.ts';
import { findMembership, holdMember, holdMembership, releaseMembership } from '../memberships/memberships.ts';
import { membershipBusy, noCarrier, notMember, notSubgroup } from '../refusals.ts';
import { carriedIds, heldTags } from '../tags/tags.ts';
import { holdTree, pathOf, requireNotArchived, requireNotHeld } from '../tree/tree.ts';
import { type Kept as KeptGroup, letGroupGo, lockGroup } from './lock.ts';

interface KeptMembership {
  groupId: string;
  memberId: string;
  jobId: string;
}

/** A tag of a group's own set, and whether it is put on or taken off. */
interface Asked {
  operationId: string;
  tag: string;
  isOn: boolean;
}

/**
 * Begins to put a tag of a group's own set on a group right below it or on a member in it, or to take it off.
 * @throws INVALID_GROUP, TAG_NOT_FOUND, TOO_MANY_TAGS, NOT_SUBGROUP, NOT_MEMBER, MEMBER_DELETING, GROUP_NOT_FOUND, ROOT_GROUP,
 *   GROUP_ARCHIVED; MEMBERSHIP_BUSY, GROUP_BUSY (retryable)
 */
export const beginTag: Step<BeginTagRequest, BeginTagResponse, KeptGroup | KeptMembership> = {
  async do(tx, { operationId, groupId, subgroupId, memberId, tag, isOn }) {
    const asked = { operationId, isOn, ...tidyTags({ tag }) };
    if ((subgroupId === undefined) === (memberId === undefined)) throw noCarrier();
    if (subgroupId !== undefined) return await ofSubgroup.do(tx, { ...asked, parentId: groupId, groupId: subgroupId });
    return { result: {}, kept: await beginOfMember(tx, groupId, requireMemberId(memberId ?? ''), asked) };
  },
  /** It carries what it carried, and others may change that. */
  undo: (tx, kept) => ('memberId' in kept ? releaseMembership(tx, kept, kept.jobId) : letGroupGo(tx, kept)),
};

const ofSubgroup = lockGroup<Asked & { groupId: string; parentId: string }>({ tree: 'part' })<BeginTagResponse>(
  async (tx, { group, request: { parentId, tag, isOn } }) => {
    if (group.parentId !== parentId) throw notSubgroup();
    const tagIds = carriedIds(await heldTags(tx, parentId), group.tagIds, tag, isOn);
    return { pending: { change: 'tag', tagIds }, result: {} };
  },
);

async function beginOfMember(tx: Transaction, groupId: string, memberId: string, { operationId, tag, isOn }: Asked) {
  const [, path, tags] = await Promise.all([holdTree(tx, 'part'), pathOf(tx, groupId), heldTags(tx, groupId)]);
  requireNotHeld(path);
  requireNotArchived(path);
  await holdMember(tx, memberId);
  const membership = await findMembership(tx, groupId, memberId);
  if (!membership?.joinedAt) throw notMember(memberId);
  if (membership.lockHolder !== null) throw membershipBusy();
  const kept = { groupId, memberId, jobId: jobOf(operationId) };
  await holdMembership(tx, kept, kept.jobId, { tagIds: carriedIds(tags, membership.tagIds ?? [], tag, isOn) });
  return kept;
}

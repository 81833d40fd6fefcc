import { aborted, alreadyExists, failedPrecondition, invalidFields, type MusubiError, notFound } from '#platform/errors.ts';
import {
  DEEPEST,
  INVITED_DAYS,
  MOST_CANDIDACIES,
  MOST_CARRIED,
  MOST_GROUPS,
  MOST_SUBGROUPS,
  MOST_TAGS,
} from '#platform/validation/group-fields.ts';

/** @param field where a request names it; absent: what it is about, which clients name in the path */
export const groupNotFound = (field?: 'parentId'): MusubiError =>
  notFound('GROUP_NOT_FOUND', 'there is no such group', {
    fields: field ? [{ field, code: 'NOT_FOUND', message: 'is not the ID of a group' }] : [],
  });

/** Another job is at it. Retryable: that job ends one day, or is undone. */
export const groupBusy = (): MusubiError =>
  aborted('GROUP_BUSY', 'another job is changing this group, one that it is in, or one in it');
export const membershipBusy = (): MusubiError =>
  aborted('MEMBERSHIP_BUSY', 'another job is changing what this member is in the group');

export const versionMismatch = (): MusubiError =>
  failedPrecondition('VERSION_MISMATCH', 'the group was changed since you read it');

export const nameTaken = (): MusubiError =>
  alreadyExists('NAME_TAKEN', 'another group in the same one has this name', {
    fields: [{ field: 'name', code: 'TAKEN', message: 'is the name of another group there; choose another' }],
  });

export const rootGroup = (): MusubiError =>
  failedPrecondition('ROOT_GROUP', 'this can not be done to the group of the whole organisation');
export const groupArchived = (): MusubiError =>
  failedPrecondition('GROUP_ARCHIVED', 'the group, or one that it is in, is archived');
export const groupNotArchived = (): MusubiError => failedPrecondition('GROUP_NOT_ARCHIVED', 'the group is not archived itself');
export const groupNotEmpty = (): MusubiError =>
  failedPrecondition('GROUP_NOT_EMPTY', 'there are groups in the group', {
    fields: [{ field: 'cascade', message: 'must be true, to have them deleted, too' }],
  });
export const groupCycle = (): MusubiError =>
  failedPrecondition('GROUP_CYCLE', 'a group can not be in itself, or in one that is below it', {
    fields: [{ field: 'parentId', message: 'must be of a group that is not below it' }],
  });
export const groupTooDeep = (): MusubiError =>
  failedPrecondition('GROUP_TOO_DEEP', `groups can be ${DEEPEST} deep, that of the whole organisation counted`, {
    fields: [{ field: 'parentId', message: 'must be of a group that is less deep' }],
  });
export const tooManySubgroups = (): MusubiError =>
  failedPrecondition('TOO_MANY_SUBGROUPS', `at most ${MOST_SUBGROUPS} groups are in one`, {
    fields: [{ field: 'parentId', message: 'must be of a group with fewer groups in it' }],
  });

export const tagNotFound = (): MusubiError =>
  notFound('TAG_NOT_FOUND', 'the group has no such tag in its own set', {
    fields: [{ field: 'tag', code: 'NOT_FOUND', message: 'is no tag of the group; put it into its set first' }],
  });
export const tagExists = (): MusubiError =>
  alreadyExists('TAG_EXISTS', 'another tag of the group has this name', {
    fields: [{ field: 'name', code: 'TAKEN', message: 'is the name of another tag; choose another, or merge the two' }],
  });
export const tooManyTags = (): MusubiError => failedPrecondition('TOO_MANY_TAGS', `a group has at most ${MOST_TAGS} tags`);
export const tooManyCarried = (): MusubiError =>
  failedPrecondition('TOO_MANY_TAGS', `at most ${MOST_CARRIED} tags are on one group or member; take another one off first`);
export const tooManyMerged = (): MusubiError =>
  failedPrecondition('TOO_MANY_TAGS', 'too many tags became one in this group; remove one that is not needed first');
export const notSubgroup = (): MusubiError =>
  failedPrecondition('NOT_SUBGROUP', 'the group is not right below the one whose tag it is');
export const unknownTagsChange = (): MusubiError =>
  invalidFields([{ field: 'change', message: 'must say what is done to the set of tags' }]);
export const noCarrier = (): MusubiError =>
  invalidFields([{ field: 'subgroupId', message: 'must be given, or memberId, and not both' }]);

export const alreadyMember = (): MusubiError => failedPrecondition('ALREADY_MEMBER', 'the member is in the group already');
export const notMember = (memberId: string): MusubiError =>
  failedPrecondition('NOT_MEMBER', `the member ${memberId} is not in the group`);
export const successorNotMember = (memberId: string): MusubiError =>
  failedPrecondition('NOT_MEMBER', `the member ${memberId}, who is to lead the group, is not in it`, {
    fields: [{ field: 'successorId', code: 'INVALID', message: 'must be of somebody who is in the group' }],
  });
export const groupNotOpen = (): MusubiError => failedPrecondition('GROUP_NOT_OPEN', 'nobody joins this group by itself');
export const tooManyGroups = (): MusubiError =>
  failedPrecondition('TOO_MANY_GROUPS', `a member is in at most ${MOST_GROUPS} groups`);

export const groupNotOnRequest = (): MusubiError =>
  failedPrecondition('GROUP_NOT_ON_REQUEST', 'nobody asks to be let into this group');
export const alreadyRequested = (): MusubiError =>
  failedPrecondition('ALREADY_REQUESTED', 'the member has asked to be let in, and nobody has decided yet');
export const alreadyInvited = (): MusubiError =>
  failedPrecondition('ALREADY_INVITED', 'the member is invited to the group already');
export const requestNotFound = (): MusubiError =>
  notFound('JOIN_REQUEST_NOT_FOUND', 'the member has not asked to be let into the group, or that was decided');
export const invitationNotFound = (): MusubiError =>
  notFound('INVITATION_NOT_FOUND', 'the member is not invited to the group, or not any more');
export const tooManyRequests = (): MusubiError =>
  failedPrecondition('TOO_MANY_JOIN_REQUESTS', `a member has asked to be let into at most ${MOST_CANDIDACIES} groups`);
export const tooManyInvitations = (): MusubiError =>
  failedPrecondition('TOO_MANY_INVITATIONS', `a member is invited to at most ${MOST_CANDIDACIES} groups`);
export const invalidEnd = (): MusubiError =>
  invalidFields([{ field: 'expiresAt', message: `must be in the future, and at most ${INVITED_DAYS.most} days away` }]);

export const memberDeleting = (): MusubiError => failedPrecondition('MEMBER_DELETING', 'the member is being deleted');
export const unknownChange = (): MusubiError =>
  invalidFields([{ field: 'change', message: 'must say what is done to the membership' }]);

/** A step that needs what an earlier step of the same job took came without it: a defect of the caller. */
export const notBegun = (): MusubiError => failedPrecondition('LOCK_NOT_HELD', 'this job has not begun to change it');

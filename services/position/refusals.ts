import {
  aborted,
  alreadyExists,
  failedPrecondition,
  invalidFields,
  type MusubiError,
  notFound,
  permissionDenied,
} from '#platform/errors.ts';
import { MOST_BINDINGS, MOST_POSITIONS } from '#platform/validation/position-fields.ts';

const refuse = (field: string, message: string): MusubiError => invalidFields([{ field, message }]);

export const noPositions = (most: number): MusubiError => refuse('bind', `must name, with release, 1 to ${most} positions`);
export const noGroups = (most: number): MusubiError => refuse('groupIds', `must name 1 to ${most} groups`);
export const invalidPage = (most: number): MusubiError => refuse('pageSize', `must be 1 to ${most}`);
export const invalidTerm = (years: number): MusubiError =>
  refuse('until', `must be in the future, and at most ${years} years away`);

/** The group is none, or is gone: every group has positions. */
export const groupNotFound = (): MusubiError => notFound('GROUP_NOT_FOUND', 'there is no such group');

/** @param positionIds those that the group does not have */
export const positionNotFound = (...positionIds: string[]): MusubiError =>
  notFound('POSITION_NOT_FOUND', `the group has no position ${positionIds.join(', ')}`);

/** Another job is changing it, or who is bound to it. Retryable: that job ends one day, or is undone. */
export const positionBusy = (): MusubiError => aborted('POSITION_BUSY', 'another job is changing this position');
export const bindingsBusy = (): MusubiError =>
  aborted('POSITION_BUSY', 'another job is changing what this member is bound to in the group');

export const neverDeleted = (): MusubiError =>
  failedPrecondition('BUILT_IN', 'every group has this position: it can be changed, but not deleted');
export const nobodyIsBound = (): MusubiError =>
  failedPrecondition('BUILT_IN', 'everybody in the group holds this position, so nobody is bound to it or let go from it');

export const versionMismatch = (): MusubiError =>
  failedPrecondition('VERSION_MISMATCH', 'the position was changed since you read it');

export const nameTaken = (): MusubiError =>
  alreadyExists('NAME_TAKEN', 'another position of the group has this name', {
    fields: [{ field: 'name', code: 'TAKEN', message: 'is the name of another position of the group; choose another' }],
  });

export const tooManyPositions = (): MusubiError =>
  failedPrecondition('TOO_MANY_POSITIONS', `a group has at most ${MOST_POSITIONS} positions`);

export const tooManyBindings = (): MusubiError =>
  failedPrecondition('TOO_MANY_BINDINGS', `a member is bound to at most ${MOST_BINDINGS} positions`);

export const positionInUse = (): MusubiError => failedPrecondition('POSITION_IN_USE', 'members are bound to this position');

/** A step that needs what an earlier step of the same job took came without it: a defect of the caller. */
export const notBegun = (): MusubiError => failedPrecondition('LOCK_NOT_HELD', 'this job has not begun to change it');

export const memberDeleting = (): MusubiError => failedPrecondition('MEMBER_DELETING', 'the member is being deleted');

/** Who is being deleted gives nothing any more: Auth has closed its login. */
export const permissionRevoked = (): MusubiError => permissionDenied('PERMISSION_REVOKED');

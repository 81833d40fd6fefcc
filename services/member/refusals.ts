import { aborted, alreadyExists, failedPrecondition, type MusubiError, notFound } from '#platform/errors.ts';

export const memberNotFound = (): MusubiError => notFound('MEMBER_NOT_FOUND');

export const memberExists = (): MusubiError => alreadyExists('MEMBER_EXISTS');

/** Another job is at work on the member. Retryable: that job ends one day, or is undone. */
export const memberBusy = (): MusubiError => aborted('MEMBER_BUSY', 'another job is changing this member');

/** A deletion of the member is under way: unless it is undone, there is nothing left to change. */
export const memberDeleting = (): MusubiError => failedPrecondition('MEMBER_DELETING', 'the member is being deleted');

export const versionMismatch = (): MusubiError =>
  failedPrecondition('VERSION_MISMATCH', 'the member was changed since you read it');

export const schemaBusy = (): MusubiError => aborted('MEMBER_SCHEMA_BUSY');

export const schemaChanged = (): MusubiError =>
  failedPrecondition('VERSION_MISMATCH', 'the schema was changed since you read it');

/** A step that needs the lock of an earlier step of the same job came without it: a defect of the caller. */
export const lockNotHeld = (): MusubiError =>
  failedPrecondition('LOCK_NOT_HELD', 'the member is not locked by this job for this step');

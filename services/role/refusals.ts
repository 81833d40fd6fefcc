import { aborted, alreadyExists, failedPrecondition, invalidFields, type MusubiError, notFound } from '#platform/errors.ts';
import { MOST_POLICIES, MOST_ROLES } from '#platform/validation/access-fields.ts';

const refuse = (field: string, message: string): MusubiError => invalidFields([{ field, message }]);

export const noRoles = (): MusubiError => refuse('roleIds', `must name 1 to ${MOST_ROLES} roles`);

export const invalidPolicy = (field: string, message: string): MusubiError =>
  invalidFields([{ field, message }], 'INVALID_POLICY');

/** @param field where a request has their IDs; absent: what it is about, which clients name in the path */
export const roleNotFound = (roleIds: readonly string[], field?: 'roleIds'): MusubiError =>
  notFound('ROLE_NOT_FOUND', `there is no role ${roleIds.join(', ')}`, {
    fields: field ? [{ field, code: 'NOT_FOUND', message: `has roles that do not exist: ${roleIds.join(', ')}` }] : [],
  });

export const policyNotFound = (): MusubiError => notFound('POLICY_NOT_FOUND', 'there is no such policy');

/** Another job is changing it. Retryable: that job ends one day, or is undone. */
export const roleBusy = (): MusubiError => aborted('ROLE_BUSY', 'another job is changing this role');
export const policyBusy = (): MusubiError => aborted('POLICY_BUSY', 'another job is changing this policy');
export const memberRolesBusy = (): MusubiError =>
  aborted('MEMBER_ROLES_BUSY', 'another job is changing the roles of this member');

export const memberDeleting = (): MusubiError => failedPrecondition('MEMBER_DELETING', 'the member is being deleted');

export const builtIn = (): MusubiError =>
  failedPrecondition('BUILT_IN', 'it is part of every installation and can not be changed');

export const versionMismatch = (what: 'role' | 'policy'): MusubiError =>
  failedPrecondition('VERSION_MISMATCH', `the ${what} was changed since you read it`);

export const nameTaken = (what: 'role' | 'policy'): MusubiError =>
  alreadyExists('NAME_TAKEN', `another ${what} has this name`, {
    fields: [{ field: 'name', code: 'TAKEN', message: `is the name of another ${what}; choose another` }],
  });

export const alreadyAttached = (): MusubiError => failedPrecondition('ALREADY_ATTACHED', 'the role carries this policy already');
export const notAttached = (): MusubiError => failedPrecondition('NOT_ATTACHED', 'the role does not carry this policy');
export const tooManyPolicies = (): MusubiError =>
  failedPrecondition('TOO_MANY_POLICIES', `a role carries at most ${MOST_POLICIES} policies`);
export const policyInUse = (): MusubiError => failedPrecondition('POLICY_IN_USE', 'a role carries this policy');
export const tooManyRoles = (): MusubiError => failedPrecondition('TOO_MANY_ROLES', `a member holds at most ${MOST_ROLES} roles`);

/** A step that needs what an earlier step of the same job took came without it: a defect of the caller. */
export const notBegun = (): MusubiError => failedPrecondition('LOCK_NOT_HELD', 'this job has not begun to change it');

/** Without an administrator nobody could ever make one again. */
export const lastAdmin = (): MusubiError => failedPrecondition('LAST_ADMIN', 'the last holder of the role "admin" must keep it');

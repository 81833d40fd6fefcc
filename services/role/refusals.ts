import { failedPrecondition, invalidFields, type MusubiError, notFound } from '#platform/errors.ts';

const refuse = (field: string, message: string): MusubiError => invalidFields([{ field, message }]);

export const noRoles = (): MusubiError => refuse('roleIds', 'must name 1 to 100 roles');

export const roleNotFound = (roleIds: readonly string[]): MusubiError =>
  notFound('ROLE_NOT_FOUND', `there is no role ${roleIds.join(', ')}`, {
    fields: [{ field: 'roleIds', code: 'NOT_FOUND', message: `has roles that do not exist: ${roleIds.join(', ')}` }],
  });

/** Without an administrator nobody could ever make one again. */
export const lastAdmin = (): MusubiError => failedPrecondition('LAST_ADMIN', 'the last holder of the role "admin" must keep it');

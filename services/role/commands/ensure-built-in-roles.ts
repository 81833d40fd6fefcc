import type { Database } from '#platform/postgres.ts';
import { BUILT_IN_ROLES, type Role } from '../domain.ts';
import { findRoles, putBuiltInRole } from '../store.ts';

/** Makes sure that the built-in roles are as this release defines them. Idempotent; not part of a saga, so it has no undo. */
export async function ensureBuiltInRoles(db: Database): Promise<Role[]> {
  return db.transaction(async (tx) => {
    // One after the other, in one order: concurrent calls can't wait for each other in a circle.
    for (const role of BUILT_IN_ROLES) await putBuiltInRole(tx, role);
    return findRoles(
      tx,
      BUILT_IN_ROLES.map((role) => role.roleId),
    );
  });
}

import type { Database } from '#platform/postgres/database.ts';
import { ADMIN } from '#platform/validation/access-fields.ts';
import { BUILT_IN_ROLES } from '../built-in.ts';
import { type Installed, installed, putBuiltInRole } from '../built-in-store.ts';
import { hasHolder } from '../member-roles.ts';

/**
 * Makes sure that the built-in roles are as this release defines them, and tells whether anybody holds `admin`.
 * Idempotent; not part of a saga, so it has no undo.
 */
export async function ensureBuiltInRoles(db: Database): Promise<{ roles: Installed[]; hasAdmin: boolean }> {
  return db.transaction(async (tx) => {
    // One after the other, in one order: concurrent calls can't wait for each other in a circle.
    for (const role of BUILT_IN_ROLES) await putBuiltInRole(tx, role);
    const ids = BUILT_IN_ROLES.map((role) => role.roleId);
    return { roles: await installed(tx, ids), hasAdmin: await hasHolder(tx, ADMIN) };
  });
}

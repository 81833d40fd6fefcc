import type { Handlers } from '#platform/grpc/server.ts';
import { serveSteps } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import type { Role } from './domain.ts';
import { ensureBuiltInRoles } from './rpcs/ensure-built-in-roles.ts';
import { assignRoles } from './steps/assign-roles.ts';
import { unassignAllRoles } from './steps/unassign-all-roles.ts';

/** musubi.role.v1.RoleService over the service's database. */
export function roleHandlers(db: Database): Handlers<RoleServiceService> {
  return {
    ...serveSteps<RoleServiceService>(db, { assignRoles, unassignAllRoles }),
    ensureBuiltInRoles: async () => {
      const { roles, hasAdmin } = await ensureBuiltInRoles(db);
      return { roles: roles.map(toMessage), hasAdmin };
    },
  };
}

const toMessage = (role: Role) => ({ ...role, policies: [...role.policies] });

import type { Handlers } from '#platform/grpc/server.ts';
import { undoOperation } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { assignRoles, undoAssignRoles } from './commands/assign-roles.ts';
import { ensureBuiltInRoles } from './commands/ensure-built-in-roles.ts';
import { unassignAllRoles, undoUnassignAllRoles } from './commands/unassign-all-roles.ts';
import type { Role } from './domain.ts';

const UNDOS = {
  'assign-roles': undoAssignRoles,
  'unassign-all-roles': undoUnassignAllRoles,
};

/** musubi.role.v1.RoleService over the service's database. */
export function roleHandlers(db: Database): Handlers<typeof RoleServiceService> {
  return {
    ensureBuiltInRoles: async () => {
      const { roles, hasAdmin } = await ensureBuiltInRoles(db);
      return { roles: roles.map(toMessage), hasAdmin };
    },
    assignRoles: (request) => assignRoles(db, request),
    unassignAllRoles: (request) => unassignAllRoles(db, request),
    undo: async ({ operationId }) => {
      await undoOperation(db, operationId, UNDOS);
      return {};
    },
  };
}

const toMessage = (role: Role) => ({ ...role, policies: [...role.policies] });

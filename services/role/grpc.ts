import type { Handlers } from '#platform/grpc/server.ts';
import { serveSteps } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { ensureBuiltInRoles } from './rpcs/ensure-built-in-roles.ts';
import { assignRoles } from './steps/assign-roles.ts';
import { beginAttachPolicy } from './steps/begin-attach-policy.ts';
import { beginChangeMemberRoles } from './steps/begin-change-member-roles.ts';
import { beginCreatePolicy } from './steps/begin-create-policy.ts';
import { beginCreateRole } from './steps/begin-create-role.ts';
import { beginDeletePolicy } from './steps/begin-delete-policy.ts';
import { beginDeleteRole } from './steps/begin-delete-role.ts';
import { beginDetachPolicy } from './steps/begin-detach-policy.ts';
import { beginUpdatePolicy } from './steps/begin-update-policy.ts';
import { beginUpdateRole } from './steps/begin-update-role.ts';
import { commitMemberRoles } from './steps/commit-member-roles.ts';
import { commitPolicy } from './steps/commit-policy.ts';
import { commitRole } from './steps/commit-role.ts';
import { countHolders } from './steps/count-holders.ts';
import { unassignAllRoles } from './steps/unassign-all-roles.ts';
import { unassignHolders } from './steps/unassign-holders.ts';

const STEPS = {
  assignRoles,
  unassignAllRoles,
  beginCreateRole,
  beginUpdateRole,
  beginDeleteRole,
  beginAttachPolicy,
  beginDetachPolicy,
  commitRole,
  countHolders,
  unassignHolders,
  beginCreatePolicy,
  beginUpdatePolicy,
  beginDeletePolicy,
  commitPolicy,
  beginChangeMemberRoles,
  commitMemberRoles,
};

/** musubi.role.v1.RoleService over the service's database. */
export function roleHandlers(db: Database): Handlers<RoleServiceService> {
  return {
    ...serveSteps<RoleServiceService>(db, STEPS),
    ensureBuiltInRoles: async () => {
      const { roles, hasAdmin } = await ensureBuiltInRoles(db);
      return { roles: roles.map((role) => ({ ...role, policies: [...role.policies] })), hasAdmin };
    },
  };
}

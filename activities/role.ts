import type { Peer } from '#platform/grpc/client.ts';
import type { AssignRolesRequest, RoleServiceService, UnassignAllRolesRequest } from '#proto/musubi/role/v1/role.ts';
import type { Call, Given, StepCall } from './call.ts';

/** The Role service's steps. */
export function createRoleActivities(role: Peer<typeof RoleServiceService>, call: Call) {
  return {
    assignRoles: (step: StepCall, given: Given<AssignRolesRequest>) =>
      call(step, (options) => role.assignRoles({ ...given, operationId: step.operationId }, options)),
    unassignAllRoles: (step: StepCall, given: Given<UnassignAllRolesRequest>) =>
      call(step, (options) => role.unassignAllRoles({ ...given, operationId: step.operationId }, options)),
    undo: (step: StepCall) => call(step, (options) => role.undo({ operationId: step.operationId }, options)),
  };
}

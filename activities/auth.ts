import type { Peer } from '#platform/grpc/client.ts';
import type {
  AuthServiceService,
  BindLoginRequest,
  GrantRolesRequest,
  RebindLoginRequest,
  RemoveLoginRequest,
  SuspendLoginRequest,
} from '#proto/musubi/auth/v1/auth.ts';
import type { Call, Given, StepCall } from './call.ts';

/** The Auth service's steps. */
export function createAuthActivities(auth: Peer<typeof AuthServiceService>, call: Call) {
  return {
    bindLogin: (step: StepCall, given: Given<BindLoginRequest>) =>
      call(step, (options) => auth.bindLogin({ ...given, operationId: step.operationId }, options)),
    grantRoles: (step: StepCall, given: Given<GrantRolesRequest>) =>
      call(step, (options) => auth.grantRoles({ ...given, operationId: step.operationId }, options)),
    rebindLogin: (step: StepCall, given: Given<RebindLoginRequest>) =>
      call(step, (options) => auth.rebindLogin({ ...given, operationId: step.operationId }, options)),
    suspendLogin: (step: StepCall, given: Given<SuspendLoginRequest>) =>
      call(step, (options) => auth.suspendLogin({ ...given, operationId: step.operationId }, options)),
    removeLogin: (step: StepCall, given: Given<RemoveLoginRequest>) =>
      call(step, (options) => auth.removeLogin({ ...given, operationId: step.operationId }, options)),
    undo: (step: StepCall) => call(step, (options) => auth.undo({ operationId: step.operationId }, options)),
  };
}

import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role, websocket } = services;

export interface DetachPolicyInput {
  roleId: string;
  policyId: string;
  /** The version of the role that the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

const ofRole = (roleId: string) => ({ roleId });
/** Whoever holds the role. */
const ofAll = () => ({});

/** Has a role not carry a policy any more. */
export const detachPolicy = saga(
  'role.detach-policy',
  [
    [role.beginDetachPolicy, pivot(auth.detachPolicy), finish(role.commitRole, ofRole)],
    [role.beginDetachPolicy, pivot(auth.detachPolicy), finish(role.commitRole, ofRole), finish(websocket.narrowSockets, ofAll)],
  ],
  async ({ step, since }, { roleId, policyId, expectedVersion }: DetachPolicyInput) => {
    await step(role.beginDetachPolicy, { roleId, policyId, expectedVersion });
    await step(auth.detachPolicy, { roleId, policyId });
    await step(role.commitRole, { roleId });
    if (since(2)) await step(websocket.narrowSockets, ofAll());
    return { id: roleId };
  },
);

import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role, websocket } = services;

export interface AttachPolicyInput {
  roleId: string;
  policyId: string;
  /** The version of the role that the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

const ofRole = (roleId: string) => ({ roleId });
/** Whoever holds the role. */
const ofAll = () => ({});

/** Has a role carry a policy more: what it says holds for all who hold the role, at once. */
export const attachPolicy = saga(
  'role.attach-policy',
  [
    [role.beginAttachPolicy, pivot(auth.attachPolicy), finish(role.commitRole, ofRole)],
    [role.beginAttachPolicy, pivot(auth.attachPolicy), finish(role.commitRole, ofRole), finish(websocket.narrowSockets, ofAll)],
  ],
  async ({ step, since }, { roleId, policyId, expectedVersion }: AttachPolicyInput) => {
    const { policy } = await step(role.beginAttachPolicy, { roleId, policyId, expectedVersion });
    await step(auth.attachPolicy, { roleId, policy });
    await step(role.commitRole, { roleId });
    // A policy may forbid, too.
    if (since(2)) await step(websocket.narrowSockets, ofAll());
    return { id: roleId };
  },
);

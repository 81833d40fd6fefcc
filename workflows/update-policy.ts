import type { SimplePolicy } from '#proto/musubi/role/v1/role.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role, websocket } = services;

export interface UpdatePolicyInput {
  policyId: string;
  /** Absent fields stay as they are; at most one of `cedar` and `simple`. */
  changes: { name?: string; cedar?: string; simple?: SimplePolicy };
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

const ofPolicy = (policyId: string) => ({ policyId });
/** Whoever holds a role that carries it. */
const ofAll = () => ({});

/** Changes a policy, in all roles that carry it at once. */
export const updatePolicy = saga(
  'policy.update',
  [
    [role.beginUpdatePolicy, pivot(auth.changePolicy), finish(role.commitPolicy, ofPolicy)],
    [
      role.beginUpdatePolicy,
      pivot(auth.changePolicy),
      finish(role.commitPolicy, ofPolicy),
      finish(websocket.narrowSockets, ofAll),
    ],
  ],
  async ({ step, since }, { policyId, changes: { name, cedar, simple }, expectedVersion }: UpdatePolicyInput) => {
    const { policy, roleIds } = await step(role.beginUpdatePolicy, { policyId, name, cedar, simple, expectedVersion });
    await step(auth.changePolicy, { policy, roleIds, raw: cedar !== undefined });
    await step(role.commitPolicy, { policyId });
    if (since(2)) await step(websocket.narrowSockets, ofAll());
    return { id: policyId };
  },
);

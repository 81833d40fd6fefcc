import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role } = services;

export interface UpdateRoleInput {
  roleId: string;
  /** Absent fields stay as they are. */
  changes: { name?: string; description?: string };
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Gives a role another name or description. */
export const updateRole = saga(
  'role.update',
  [[role.beginUpdateRole, pivot(auth.confirmPermit), finish(role.commitRole, (roleId) => ({ roleId }))]],
  async ({ step }, { roleId, changes: { name, description }, expectedVersion }: UpdateRoleInput) => {
    await step(role.beginUpdateRole, { roleId, name, description, expectedVersion });
    await step(auth.confirmPermit, {});
    await step(role.commitRole, { roleId });
    return { id: roleId };
  },
);

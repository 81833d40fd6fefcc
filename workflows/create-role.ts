import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role } = services;

export interface CreateRoleInput {
  /** Minted by the gateway. */
  roleId: string;
  name: string;
  description: string;
}

/** Makes a role, which permits nothing yet. */
export const createRole = saga(
  'role.create',
  [[role.beginCreateRole, pivot(auth.addRole), finish(role.commitRole, (roleId) => ({ roleId }))]],
  async ({ step }, { roleId, name, description }: CreateRoleInput) => {
    await step(role.beginCreateRole, { roleId, name, description });
    await step(auth.addRole, { roleId });
    await step(role.commitRole, { roleId });
    return { id: roleId };
  },
);

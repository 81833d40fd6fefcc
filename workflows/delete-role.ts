import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';
import { unassignHolders } from './unassign-holders.ts';

const { auth, role, websocket } = services;

export interface DeleteRoleInput {
  roleId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

const ofRole = (roleId: string) => ({ roleId });
/** Whoever has held it. */
const ofAll = () => ({});

/** Deletes a role. In Auth it is gone for all who hold it at once; then it is taken from each. */
export const deleteRole = saga(
  'role.delete',
  [
    [role.beginDeleteRole, pivot(auth.removeRole), finish(unassignHolders, ofRole), finish(role.commitRole, ofRole)],
    [
      role.beginDeleteRole,
      pivot(auth.removeRole),
      finish(websocket.narrowSockets, ofAll),
      finish(unassignHolders, ofRole),
      finish(role.commitRole, ofRole),
    ],
  ],
  async ({ step, child, since }, { roleId, expectedVersion }: DeleteRoleInput) => {
    await step(role.beginDeleteRole, { roleId, expectedVersion });
    await step(auth.removeRole, { roleId });
    // To take it from many takes a while.
    if (since(2)) await step(websocket.narrowSockets, ofAll());
    await child(unassignHolders, { roleId });
    await step(role.commitRole, { roleId });
    return { id: roleId };
  },
);

import type { AddRoleRequest, AddRoleResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { PermittedStep } from '../permitted.ts';
import { carrying } from '../role-policies.ts';

/** Makes a role, which permits nothing yet. */
export const addRole: PermittedStep<AddRoleRequest, AddRoleResponse, { roleId: string }> = {
  takesAway: false,
  async do({ store, session }, { roleId }) {
    await store.roles.insertOne({ _id: roleId, version: 1, ...carrying([]) }, { session });
    return { result: {}, kept: { roleId } };
  },
  async undo({ store, session }, { roleId }) {
    await store.roles.deleteOne({ _id: roleId }, { session });
  },
};

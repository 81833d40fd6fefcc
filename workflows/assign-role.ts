import { ofMembers } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role, websocket } = services;

export interface AssignRoleInput {
  memberId: string;
  roleId: string;
}

const ofMember = (memberId: string) => ({ memberId });

/** Gives a member a role, or leaves it as it was. */
export const assignRole = saga(
  'role.assign',
  [
    [role.beginChangeMemberRoles, pivot(auth.changeRoles), finish(role.commitMemberRoles, ofMember)],
    [
      role.beginChangeMemberRoles,
      pivot(auth.changeRoles),
      finish(role.commitMemberRoles, ofMember),
      finish(websocket.narrowSockets, ofMembers),
    ],
  ],
  async ({ step, since }, { memberId, roleId }: AssignRoleInput) => {
    const { roleIds } = await step(role.beginChangeMemberRoles, { memberId, add: [roleId], remove: [] });
    await step(auth.changeRoles, { memberId, roleIds });
    await step(role.commitMemberRoles, { memberId });
    // A role may forbid, too.
    if (since(2)) await step(websocket.narrowSockets, ofMembers(memberId));
    return { id: memberId };
  },
);

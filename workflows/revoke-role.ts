import { ofMembers } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, role, websocket } = services;

export interface RevokeRoleInput {
  memberId: string;
  roleId: string;
}

const ofMember = (memberId: string) => ({ memberId });

/** Takes a role from a member, or leaves it as it was. */
export const revokeRole = saga(
  'role.revoke',
  [
    [role.beginChangeMemberRoles, pivot(auth.changeRoles), finish(role.commitMemberRoles, ofMember)],
    [
      role.beginChangeMemberRoles,
      pivot(auth.changeRoles),
      finish(role.commitMemberRoles, ofMember),
      finish(websocket.narrowSockets, ofMembers),
    ],
  ],
  async ({ step, since }, { memberId, roleId }: RevokeRoleInput) => {
    const { roleIds } = await step(role.beginChangeMemberRoles, { memberId, add: [], remove: [roleId] });
    await step(auth.changeRoles, { memberId, roleIds });
    await step(role.commitMemberRoles, { memberId });
    if (since(2)) await step(websocket.narrowSockets, ofMembers(memberId));
    return { id: memberId };
  },
);

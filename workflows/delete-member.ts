import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, member, position, role, websocket } = services;

export interface DeleteMemberInput {
  memberId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

const ofMember = (memberId: string) => ({ memberId });

/** Removes a member with its login and roles, or nothing. */
export const deleteMember = saga(
  'member.delete',
  [
    [
      member.beginDelete,
      role.unassignAllRoles,
      auth.suspendLogin,
      pivot(member.deleteMember),
      finish(auth.removeLogin, ofMember),
    ],
    [
      member.closeMember,
      role.unassignAllRoles,
      auth.suspendLogin,
      member.beginDelete,
      pivot(member.deleteMember),
      finish(auth.removeLogin, ofMember),
    ],
    [
      member.closeMember,
      role.unassignAllRoles,
      auth.suspendLogin,
      member.beginDelete,
      pivot(auth.confirmPermit),
      finish(member.deleteMember, ofMember),
      finish(auth.removeLogin, ofMember),
    ],
    [
      member.closeMember,
      role.unassignAllRoles,
      auth.suspendLogin,
      member.beginDelete,
      pivot(auth.confirmPermit),
      finish(websocket.closeSockets, ofMember),
      finish(member.deleteMember, ofMember),
      finish(auth.removeLogin, ofMember),
    ],
    [
      member.closeMember,
      role.unassignAllRoles,
      auth.suspendLogin,
      position.closeMember,
      group.closeMember,
      member.beginDelete,
      position.releaseMember,
      group.leaveAllGroups,
      pivot(auth.confirmPermit),
      finish(websocket.closeSockets, ofMember),
      finish(member.deleteMember, ofMember),
      finish(auth.removeLogin, ofMember),
    ],
  ],
  async ({ step, since }, { memberId, expectedVersion }: DeleteMemberInput) => {
    // Nothing new begins on the member from here on, so what the member and others still send does not hold this up.
    if (since(2)) await step(member.closeMember, { memberId, expectedVersion });
    else await step(member.beginDelete, { memberId, expectedVersion });
    // Before the login is closed: a last admin who may not go is not locked out for a moment either.
    await step(role.unassignAllRoles, { memberId });
    await step(auth.suspendLogin, { memberId });
    if (since(5)) await step(position.closeMember, { memberId });
    if (since(5)) await step(group.closeMember, { memberId });
    // Who was at it before has ended by now, or does soon.
    if (since(2)) await step(member.beginDelete, { memberId, expectedVersion });
    // What it led is led by those who lead what that is in.
    if (since(5)) await step(position.releaseMember, { memberId });
    if (since(5)) await step(group.leaveAllGroups, { memberId });
    if (since(3)) await step(auth.confirmPermit, { closedMemberId: memberId });
    if (since(4)) await step(websocket.closeSockets, { memberId });
    await step(member.deleteMember, { memberId });
    await step(auth.removeLogin, { memberId });
    return { id: memberId };
  },
);

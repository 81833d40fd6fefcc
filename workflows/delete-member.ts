import { type Saga, saga } from './saga.ts';
import { auth, member, role } from './step.ts';

export interface DeleteMemberInput {
  memberId: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Removes a member with its login and roles, or nothing. */
export const deleteMember = saga(
  'member.delete',
  [
    ['beginDelete', 'unassignAllRoles', 'suspendLogin', 'deleteMember', 'removeLogin'],
    ['closeMember', 'unassignAllRoles', 'suspendLogin', 'beginDelete', 'deleteMember', 'removeLogin'],
  ],
  async ({ step, pivot, finish, since, input }: Saga<DeleteMemberInput>) => {
    const { memberId, expectedVersion } = input;
    // What the member itself, or anybody else, still sends must not hold this up: nothing new begins from here on.
    if (since(2)) await step(member.closeMember, { memberId, expectedVersion });
    else await step(member.beginDelete, { memberId, expectedVersion });
    // Before the login is closed: a last admin who may not go is not locked out for a moment either.
    await step(role.unassignAllRoles, { memberId });
    await step(auth.suspendLogin, { memberId });
    // Who was at it before has ended by now, or does soon.
    if (since(2)) await step(member.beginDelete, { memberId, expectedVersion });
    await pivot(member.deleteMember, { memberId });
    await finish(auth.removeLogin, { memberId });
    return { memberId };
  },
);

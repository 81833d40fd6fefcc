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
  { version: 1, steps: ['beginDelete', 'unassignAllRoles', 'suspendLogin', 'deleteMember', 'removeLogin'] },
  async ({ step, pivot, finish, input }: Saga<DeleteMemberInput>) => {
    const { memberId, expectedVersion } = input;
    await step(member.beginDelete, { memberId, expectedVersion });
    // Before the login is closed: a last admin who may not go is not locked out for a moment either.
    await step(role.unassignAllRoles, { memberId });
    await step(auth.suspendLogin, { memberId });
    await pivot(member.deleteMember, { memberId });
    await finish(auth.removeLogin, { memberId });
    return { memberId };
  },
);

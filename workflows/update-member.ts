import { type Saga, saga } from './saga.ts';
import { auth, member } from './step.ts';

export interface UpdateMemberInput {
  memberId: string;
  /** Absent fields stay as they are. */
  changes: { loginId?: string; displayName?: string; email?: string };
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

/** Changes a member, and its login with it, or neither. */
export const updateMember = saga(
  'member.update',
  [['beginUpdate', 'rebindLogin', 'commitUpdate']],
  async ({ step, pivot, finish, input }: Saga<UpdateMemberInput>) => {
    const { memberId, changes, expectedVersion } = input;
    const { loginId, displayName, email } = changes;
    const { loginChanges } = await step(member.beginUpdate, {
      memberId,
      changes: { loginId, displayName, email },
      expectedVersion,
    });
    if (loginChanges && loginId !== undefined) {
      await pivot(auth.rebindLogin, { memberId, loginId });
      await finish(member.commitUpdate, { memberId });
    } else {
      await pivot(member.commitUpdate, { memberId });
    }
    return { memberId };
  },
);

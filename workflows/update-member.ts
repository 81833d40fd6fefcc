import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member } = services;

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
  [
    [
      member.beginUpdate,
      pivot(auth.rebindLogin),
      // Without a new login it is the pivot: once it is done, it only repeats its answer.
      pivot(finish(member.commitUpdate, (memberId) => ({ memberId }))),
    ],
  ],
  async ({ step }, { memberId, changes, expectedVersion }: UpdateMemberInput) => {
    const { loginId, displayName, email } = changes;
    const { loginChanges } = await step(member.beginUpdate, {
      memberId,
      changes: { loginId, displayName, email },
      expectedVersion,
    });
    // The last step that can be refused: no other service is asked whether a profile may be as it is.
    if (loginChanges && loginId !== undefined) await step(auth.rebindLogin, { memberId, loginId });
    await step(member.commitUpdate, { memberId });
    return { id: memberId };
  },
);

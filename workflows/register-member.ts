import { type Saga, saga } from './saga.ts';
import { auth, member, role } from './step.ts';

export interface RegisterMemberInput {
  /** Minted by the gateway. */
  memberId: string;
  loginId: string;
  displayName: string;
  email: string;
  /** Where Auth keeps the password's hash (auth.StagePassword). */
  passwordRef: string;
  /** Default: the built-in role `member`. */
  roleIds?: string[];
}

/** What everybody may do. */
const DEFAULT_ROLE = 'member';

/** Registers a member completely, or leaves no trace. */
export const registerMember = saga(
  'member.register',
  [['createMember', 'bindLogin', 'assignRoles', 'grantRoles', 'activateMember']],
  async ({ step, pivot, finish, input }: Saga<RegisterMemberInput>) => {
    const { memberId, loginId, displayName, email, passwordRef, roleIds = [DEFAULT_ROLE] } = input;
    await step(member.createMember, { memberId, loginId, displayName, email });
    await step(auth.bindLogin, { memberId, loginId, passwordRef });
    await step(role.assignRoles, { memberId, roleIds });
    await pivot(auth.grantRoles, { memberId, roleIds });
    await finish(member.activateMember, { memberId });
    return { memberId };
  },
);

import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, member, role } = services;

export interface RegisterMemberInput {
  /** Minted by the gateway. */
  memberId: string;
  loginId: string;
  displayName: string;
  email: string;
  locale?: string;
  timeZone?: string;
  attributes?: Record<string, unknown>;
  /** Where Auth keeps the password's hash (auth.StagePassword). */
  passwordRef: string;
  /** Default: the built-in role `member`. */
  roleIds?: string[];
}

/** What everybody may do. */
const DEFAULT_ROLE = 'member';

const ofMember = (memberId: string) => ({ memberId });

/** Registers a member completely, or leaves no trace. */
export const registerMember = saga(
  'member.register',
  [
    [member.createMember, auth.bindLogin, role.assignRoles, pivot(auth.grantRoles), finish(member.activateMember, ofMember)],
    [
      member.createMember,
      auth.bindLogin,
      role.assignRoles,
      group.enterOrganisation,
      pivot(auth.grantRoles),
      finish(member.activateMember, ofMember),
    ],
  ],
  async ({ step, since }, input: RegisterMemberInput) => {
    const { memberId, loginId, passwordRef, roleIds = [DEFAULT_ROLE], ...profile } = input;
    await step(member.createMember, { memberId, loginId, ...profile });
    await step(auth.bindLogin, { memberId, loginId, passwordRef });
    await step(role.assignRoles, { memberId, roleIds });
    // Everybody is in the whole organisation.
    if (since(2)) await step(group.enterOrganisation, { memberId });
    await step(auth.grantRoles, { memberId, roleIds });
    await step(member.activateMember, { memberId });
    return { id: memberId };
  },
);

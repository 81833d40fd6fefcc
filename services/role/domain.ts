import { createHash } from 'node:crypto';
import { requireId } from '#platform/validation/id.ts';
import { noRoles } from './refusals.ts';

interface Policy {
  policyId: string;
  name: string;
  /** Cedar policy text without a role condition: whoever holds a role that carries it is its principal. */
  cedar: string;
}

export interface RoleDefinition {
  roleId: string;
  name: string;
  description: string;
  policies: readonly Policy[];
}

export interface Role extends RoleDefinition {
  builtIn: boolean;
  /** Grows by 1 with every change of the role or its policies. */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** The role that must always have a holder. */
export const ADMIN = 'admin';

/** The roles that every installation has, as this release defines them. Actions and types are those of Auth's Cedar schema. */
export const BUILT_IN_ROLES: readonly RoleDefinition[] = [
  {
    roleId: ADMIN,
    name: 'Administrator',
    description: 'May do everything.',
    policies: [{ policyId: 'admin.everything', name: 'Everything', cedar: 'permit (principal, action, resource);' }],
  },
  {
    roleId: 'member',
    name: 'Member',
    description: 'What every member may do.',
    policies: [
      {
        policyId: 'member.see-members',
        name: 'See all members',
        cedar: 'permit (principal, action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource);',
      },
      {
        policyId: 'member.update-itself',
        name: 'Change its own profile',
        cedar: 'permit (principal, action == Musubi::Action::"member.update", resource) when { resource == principal };',
      },
      {
        policyId: 'member.own-jobs',
        name: 'Follow and cancel its own jobs',
        cedar:
          'permit (principal, action in [Musubi::Action::"job.read", Musubi::Action::"job.list", Musubi::Action::"job.cancel"], resource)\n' +
          'when { resource has owner && resource.owner == principal };',
      },
      {
        policyId: 'member.own-session',
        name: 'Check its own permissions and log out',
        cedar: 'permit (principal, action in [Musubi::Action::"auth.check", Musubi::Action::"auth.logout"], resource);',
      },
    ],
  },
];

/** Changes when, and only when, a release defines the role otherwise. */
export function definitionHash({ roleId, name, description, policies }: RoleDefinition): string {
  const parts = [roleId, name, description, ...policies.flatMap((policy) => [policy.policyId, policy.name, policy.cedar])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** @throws INVALID_ARGUMENT */
export const requireMemberId = (memberId: string): string => requireId('memberId', memberId);

/** The role IDs, sorted, each once. @throws INVALID_ARGUMENT when there is none, or too many */
export function requireRoleIds(roleIds: readonly string[]): string[] {
  if (roleIds.length === 0 || roleIds.length > 100) throw noRoles();
  return [...new Set(roleIds)].sort();
}

import { createHash } from 'node:crypto';
import { ADMIN } from '#platform/validation/access-fields.ts';

interface PolicyDefinition {
  policyId: string;
  name: string;
  /** Cedar policy text without a role condition: whoever holds a role that carries it is its principal. */
  cedar: string;
}

export interface RoleDefinition {
  roleId: string;
  name: string;
  description: string;
  policies: readonly PolicyDefinition[];
}

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
        policyId: 'member.find-groups',
        name: 'Find groups that are not hidden, and those that it is invited to, and join them or ask to be let in',
        cedar:
          'permit (principal, action in [Musubi::Action::"group.read", Musubi::Action::"group.list", Musubi::Action::"group.join",' +
          ' Musubi::Action::"group.request-join"], resource)\n' +
          'when { resource.findable || principal in resource.invited };',
      },
      {
        policyId: 'member.withdraw-requests',
        name: 'Take back that it asked to be let into a group',
        cedar: 'permit (principal, action == Musubi::Action::"group.withdraw-request", resource);',
      },
      {
        policyId: 'member.answer-invitations',
        name: 'Accept and decline invitations to groups',
        cedar:
          'permit (principal, action in [Musubi::Action::"group.accept-invitation", Musubi::Action::"group.decline-invitation"], resource)\n' +
          'when { principal in resource.invited };',
      },
      {
        policyId: 'member.see-own-candidacies',
        name: 'See to which groups it has asked to be let in and is invited, and out of which it was put',
        cedar:
          'permit (principal, action in [Musubi::Action::"member.list-requests", Musubi::Action::"member.list-invitations",' +
          ' Musubi::Action::"member.list-expulsions"], resource)\n' +
          'when { resource == principal };',
      },
      {
        policyId: 'member.leave-groups',
        name: 'Leave groups',
        cedar: 'permit (principal, action == Musubi::Action::"group.leave", resource) when { principal in resource.members };',
      },
      {
        policyId: 'member.talk',
        name: 'Make rooms, and do in those that it is in what Chat lets it',
        cedar:
          'permit (principal, action in [Musubi::Action::"room.create", Musubi::Action::"room.open-direct", Musubi::Action::"room.read",' +
          ' Musubi::Action::"room.list", Musubi::Action::"room.update", Musubi::Action::"room.delete", Musubi::Action::"room.add-member",' +
          ' Musubi::Action::"room.remove-member", Musubi::Action::"room.post"], resource);',
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
        name: 'Check its own permissions, log out, see and end its own sessions, and change its own password',
        cedar:
          'permit (principal, action in [Musubi::Action::"auth.check", Musubi::Action::"auth.logout",' +
          ' Musubi::Action::"auth.list-sessions", Musubi::Action::"auth.end-session",' +
          ' Musubi::Action::"auth.change-password"], resource);',
      },
    ],
  },
];

/** Changes when, and only when, a release defines the role otherwise. */
export function definitionHash({ roleId, name, description, policies }: RoleDefinition): string {
  const parts = [roleId, name, description, ...policies.flatMap((policy) => [policy.policyId, policy.name, policy.cedar])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

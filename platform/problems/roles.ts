import type { ProblemKind } from './kind.ts';

/** What commands and queries of roles and policies can be refused for. */
export const ROLES = {
  INVALID_ROLE: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A field of the role breaks a rule.',
    remedy: 'Mend the fields that `errors` names.',
  },
  INVALID_POLICY: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The policy is no Cedar, or not for things and actions of this system.',
    remedy: 'Mend the fields that `errors` names.',
  },
  POLICY_NOT_LISTABLE: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The policy is about reading or listing, and asks for more of a thing than a list can look at.',
    remedy: 'Compare the resource, or its owner, with what is known of the member, or ask what it is in.',
  },
  EXCEEDS_OWN_PERMISSIONS: {
    status: 'PERMISSION_DENIED',
    meaning: 'It would give somebody more than who asks for it holds, or for longer, or forbid an administrator something.',
    remedy:
      'Give what you hold yourself, where you hold it, and for no longer: where `errors` names `until`, an earlier one would do. Or let somebody do it who holds it for as long, or an administrator.',
  },
  ROLE_NOT_FOUND: { status: 'NOT_FOUND', meaning: 'There is no such role.', remedy: 'Check the ID.' },
  POLICY_NOT_FOUND: { status: 'NOT_FOUND', meaning: 'There is no such policy.', remedy: 'Check the ID.' },
  NAME_TAKEN: {
    status: 'ALREADY_EXISTS',
    meaning:
      'Another one of its kind has this name, which may differ in upper and lower case, or in full and half width: another role or policy, a group right in the same one, or a position of the same group.',
    remedy: 'Choose another name.',
  },
  BUILT_IN: {
    status: 'FAILED_PRECONDITION',
    meaning: 'It is a part of every installation, or of every group, with which this can not be done.',
    remedy: 'Make one of your own.',
  },
  ROLE_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing this role, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  POLICY_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing this policy, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  MEMBER_ROLES_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing the roles of this member, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  ALREADY_ATTACHED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The role carries the policy already.',
    remedy: 'Nothing needs to be done.',
  },
  NOT_ATTACHED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The role does not carry the policy.',
    remedy: 'Nothing needs to be done.',
  },
  POLICY_IN_USE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A role carries the policy.',
    remedy: 'Detach it from its roles first.',
  },
  TOO_MANY_POLICIES: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The role carries as many policies as a role can: 100.',
    remedy: 'Detach another one, or say both in one policy.',
  },
  TOO_MANY_ROLES: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member holds as many roles as a member can: 100.',
    remedy: 'Take another one away first.',
  },
} as const satisfies Record<string, ProblemKind>;

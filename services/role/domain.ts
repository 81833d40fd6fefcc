import {
  cedarText,
  MOST_ROLES,
  policyActions,
  policyEffect,
  policyResources,
  roleDescription,
  roleName,
} from '#platform/validation/access-fields.ts';
import { kept } from '#platform/validation/fields.ts';
import { requireId } from '#platform/validation/id.ts';
import { invalidPolicy, noRoles, tooManyRoles } from './refusals.ts';

// Roles carry policies, and members hold roles. A job takes what it changes (`lockHolder`), with the change kept aside
// (`pending`): others see all as it was until Auth goes by it, and then the change is committed.

/** What a job will make of a role. */
export type RoleChange =
  | { change: 'create' }
  | { change: 'update'; name: string; description: string }
  | { change: 'delete' }
  | { change: 'attach'; policyId: string }
  | { change: 'detach'; policyId: string };

/** What a job will make of a policy. */
export type PolicyChange =
  | { change: 'create' }
  | ({ change: 'update' } & Pick<Policy, 'name' | 'cedar' | 'simple'>)
  | { change: 'delete' };

/** What a job will make of the roles that a member holds. */
export interface MemberRolesChange {
  add: string[];
  remove: string[];
}

/** What a job can take. */
export interface Lockable<Change> {
  /** The job that is changing it; null: nobody. */
  lockHolder: string | null;
  /** What it will make of it. */
  pending: Change | null;
  /** 0 while it is being created, and others do not see it; grows by 1 with every change that is told to others. */
  version: number;
}

export interface Role extends Lockable<RoleChange> {
  roleId: string;
  name: string;
  description: string;
  builtIn: boolean;
  /** In order. */
  policyIds: string[];
  createdAt: Date;
  updatedAt: Date;
}

export interface Policy extends Lockable<PolicyChange> {
  policyId: string;
  name: string;
  cedar: string;
  /** The simple form that it was written in; null: it was written as Cedar. */
  simple: SimplePolicy | null;
  builtIn: boolean;
  createdAt: Date;
  updatedAt: Date;
}

/** A policy for those who do not write Cedar. */
export interface SimplePolicy {
  effect: 'allow' | 'deny';
  /** Of the schema, or `*`. */
  actions: string[];
  /** `*`; `own`; or one thing, with all that is in it: `member:ID`, `role:ID`. */
  resources: string[];
}

/** What makes a name one of its kind: names that look the same or differ in case are one. */
export const nameKey = (name: string): string => name.normalize('NFKC').toLowerCase();

/** The given fields in the form in which they are kept. @throws INVALID_ROLE */
export const tidyRole = (given: { name?: string | undefined; description?: string | undefined }) =>
  kept({ name: roleName, description: roleDescription }, given, 'INVALID_ROLE');

/** The given fields in the form in which they are kept. @throws INVALID_POLICY */
export const tidyPolicy = (given: { name?: string | undefined; cedar?: string | undefined }) =>
  kept({ name: roleName, cedar: cedarText }, given, 'INVALID_POLICY');

/** The simple form as it is kept: each action and resource once. @throws INVALID_POLICY */
function tidySimple(given: SimplePolicy): SimplePolicy {
  const rules = { effect: policyEffect, actions: policyActions, resources: policyResources };
  const { effect, actions = [], resources = [] } = kept(rules, given, 'INVALID_POLICY');
  if (effect === undefined) throw invalidPolicy('effect', 'must be allow or deny');
  return { effect, actions: [...new Set(actions)], resources: [...new Set(resources)] };
}

/** What a simple policy says, in Cedar. @param simple as {@link tidySimple} leaves it: nothing in it can end a string */
function cedarOf({ effect, actions, resources }: SimplePolicy): string {
  const action = actions.includes('*')
    ? 'action'
    : `action in [${actions.map((name) => `Musubi::Action::"${name}"`).join(', ')}]`;
  const scope = `${effect === 'allow' ? 'permit' : 'forbid'} (principal, ${action}, resource)`;
  return resources.includes('*') ? `${scope};` : `${scope}\nwhen { ${resources.map(conditionOf).join(' || ')} };`;
}

function conditionOf(resource: string): string {
  const [type = '', id] = resource.split(':');
  if (id === undefined) return '(resource has owner && resource.owner == principal)';
  return `resource in Musubi::${type.charAt(0).toUpperCase()}${type.slice(1)}::"${id}"`;
}

/** What a policy is given as: Cedar, or the simple form; undefined: neither. @throws INVALID_POLICY for both */
export function writtenPolicy(given: {
  cedar: string | undefined;
  simple: SimplePolicy | undefined;
}): Pick<Policy, 'cedar' | 'simple'> | undefined {
  if (given.cedar !== undefined && given.simple) throw invalidPolicy('cedar', 'must not come with effect, actions and resources');
  if (given.simple) {
    const simple = tidySimple(given.simple);
    return { simple, cedar: cedarOf(simple) };
  }
  const { cedar } = tidyPolicy({ cedar: given.cedar });
  return cedar === undefined ? undefined : { cedar, simple: null };
}

/** @throws INVALID_ARGUMENT */
export const requireMemberId = (memberId: string): string => requireId('memberId', memberId);

/** The role IDs, sorted, each once. @throws INVALID_ARGUMENT when there is none, or too many */
export function requireRoleIds(roleIds: readonly string[]): string[] {
  if (roleIds.length === 0 || roleIds.length > MOST_ROLES) throw noRoles();
  return [...new Set(roleIds)].sort();
}

/** All roles that a member holds after a change, sorted. @throws TOO_MANY_ROLES */
export function changedRoles(roleIds: readonly string[], { add, remove }: MemberRolesChange): string[] {
  const after = [...new Set([...roleIds, ...add])].filter((roleId) => !remove.includes(roleId)).sort();
  if (after.length > MOST_ROLES) throw tooManyRoles();
  return after;
}

/** The same, held by no job. */
export const freed = <T extends Lockable<unknown>>(one: T): T => ({ ...one, lockHolder: null, pending: null });

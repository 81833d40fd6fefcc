import type { LoginCopy, RoleCopy, RolePolicyCopy } from '#proto/musubi/auth/v1/auth.ts';

// What Auth has of members and roles, compared with what Member and Role have of them. No I/O. (Groups: group-drift.ts.)

const ACCESS_KINDS = [
  'unknown-member',
  'missing-login',
  'login-name',
  'open-login',
  'closed-login',
  'extra-role',
  'missing-role',
  'unknown-role',
  'absent-role',
  'policies',
] as const;
const GROUP_KINDS = [
  'unknown-group',
  'absent-group',
  'group-path',
  'group-visibility',
  'group-positions',
  'orphan-positions',
  'extra-membership',
  'missing-membership',
  'extra-invitation',
  'missing-invitation',
  'extra-binding',
  'missing-binding',
  'unknown-position',
] as const;
/**
 * In what a copy differs:
 * - `unknown-member`: a login is open of which Member knows no member
 * - `missing-login`: a member has none
 * - `login-name`: it has another name
 * - `open-login`, `closed-login`: it is open though the member is suspended, or closed though it is not
 * - `extra-role`, `missing-role`: the member holds a role more, or less
 * - `unknown-role`, `absent-role`: a role of which Role knows nothing, or that Auth has not
 * - `policies`: a role carries others, or they say something else
 * - `unknown-group`, `absent-group`: a group of which Group knows nothing, or that Auth has not
 * - `group-path`, `group-visibility`: it is in another group, or found by others
 * - `group-positions`: there are others in it, or they permit something else; or Position knows of none
 * - `orphan-positions`: Position has some of a group of which neither Group nor Auth knows
 * - `extra-membership`, `missing-membership`: a member is in a group more, or less; of the whole organisation it is Group that lacks the member
 * - `extra-invitation`, `missing-invitation`: it is invited to a group more, or less
 * - `extra-binding`, `missing-binding`: it is bound to a position more, or less
 * - `unknown-position`: it is bound to a position that no group has
 */
export const KINDS = [...ACCESS_KINDS, ...GROUP_KINDS] as const;
export type AccessKind = (typeof ACCESS_KINDS)[number];
export type GroupKind = (typeof GROUP_KINDS)[number];
export type Kind = AccessKind | GroupKind;

/** A member as Member has it. */
export interface MemberTruth {
  loginId: string;
  isActive: boolean;
  /** A job is at it. */
  changing: boolean;
}

/** The roles of a member as Role has them. */
export interface HeldTruth {
  roleIds: readonly string[];
  changing: boolean;
}

/** A role as Role has it. */
export interface RoleTruth {
  policyIds: readonly string[];
  changing: boolean;
}

/** A policy as Role has it. */
export interface PolicyTruth extends Omit<RolePolicyCopy, 'policyId'> {
  changing: boolean;
}

/** What makes a login agree; absent: it stays as it is. */
export interface LoginDrift {
  memberId: string;
  /** Of the login that was compared. */
  version: number;
  kinds: Kind[];
  loginId?: string;
  open?: boolean;
  roleIds?: string[];
  /** It holds roles, and Role has lost what the member holds: they stay. */
  isUntold?: true;
}

/**
 * In what a login differs, while nobody changes the member or its roles.
 *
 * @param login undefined: there is none
 * @param member undefined: there is none
 * @param held undefined: Role knows nothing of it. Who is registered is given a role, and a member that lost its last one is known
 *   to hold none: so Role has lost it
 * @param settled the roles that Role has, and that no job is at: others are not compared, for all that they permit begins and ends with
 *   themselves
 */
export function loginDrift(
  memberId: string,
  login: LoginCopy | undefined,
  member: MemberTruth | undefined,
  held: HeldTruth | undefined,
  settled: ReadonlySet<string>,
): LoginDrift | undefined {
  if (!member) {
    // More than to close it can not be done: whose login it is, nobody knows any more.
    if (!login || login.status === 'suspended') return undefined;
    return { memberId, version: login.version, kinds: ['unknown-member'], open: false };
  }
  if (member.changing || held?.changing) return undefined;
  if (!login) return { memberId, version: 0, kinds: ['missing-login'] };
  const drift: LoginDrift = { memberId, version: login.version, kinds: [] };
  if (login.loginId !== member.loginId) {
    drift.kinds.push('login-name');
    drift.loginId = member.loginId;
  }
  if ((login.status === 'active') !== member.isActive) {
    drift.kinds.push(member.isActive ? 'closed-login' : 'open-login');
    drift.open = member.isActive;
  }
  const wanted = new Set((held?.roleIds ?? []).filter((roleId) => settled.has(roleId)));
  const extra = login.roleIds.filter((roleId) => settled.has(roleId) && !wanted.has(roleId));
  const missing = [...wanted].filter((roleId) => !login.roleIds.includes(roleId));
  if (!held && extra.length > 0) return { ...drift, isUntold: true };
  if (extra.length > 0) drift.kinds.push('extra-role');
  if (missing.length > 0) drift.kinds.push('missing-role');
  if (extra.length + missing.length > 0)
    drift.roleIds = [...login.roleIds.filter((roleId) => !extra.includes(roleId)), ...missing];
  return drift.kinds.length > 0 ? drift : undefined;
}

/** What makes a role agree. */
export interface RoleDrift {
  roleId: string;
  /** Of the role that was compared; 0: there was none. */
  version: number;
  kind: Kind;
  /** Absent: it is removed. */
  policies?: RolePolicyCopy[];
}

/** In what a role differs, while nobody changes it or what it carries. @param copy undefined: Auth has none */
export function roleDrift(
  roleId: string,
  copy: RoleCopy | undefined,
  role: RoleTruth | undefined,
  policies: ReadonlyMap<string, PolicyTruth>,
): RoleDrift | undefined {
  if (!role) return copy && { roleId, version: copy.version, kind: 'unknown-role' };
  const carried = role.policyIds.map((policyId) => ({ policyId, policy: policies.get(policyId) }));
  if (role.changing || carried.some(({ policy }) => policy === undefined || policy.changing)) return undefined;
  const wanted = carried.map(({ policyId, policy }) => ({ policyId, name: policy?.name ?? '', cedar: policy?.cedar ?? '' }));
  if (!copy) return { roleId, version: 0, kind: 'absent-role', policies: wanted };
  const said = (of: readonly RolePolicyCopy[]): string =>
    of
      .map(({ policyId, cedar }) => JSON.stringify([policyId, cedar]))
      .sort()
      .join();
  return said(copy.policies) === said(wanted) ? undefined : { roleId, version: copy.version, kind: 'policies', policies: wanted };
}

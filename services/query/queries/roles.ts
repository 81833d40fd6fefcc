import type { Database } from '#platform/postgres/database.ts';
import type {
  GetPolicyRequest,
  GetRoleRequest,
  ListPoliciesRequest,
  ListPoliciesResponse,
  ListRolesRequest,
  ListRolesResponse,
  PolicyView,
  RoleView,
} from '#proto/musubi/query/v1/query.ts';
import { policyNotFound, roleNotFound } from '../refusals.ts';
import { findPolicy, findRole, listedPolicies, listedRoles } from '../role-store.ts';
import { paged } from './paged.ts';

/** @throws ROLE_NOT_FOUND, also for one that is not seen */
export async function getRole(db: Database, { roleId, seen }: GetRoleRequest): Promise<RoleView> {
  const role = await findRole(db, roleId, seen);
  if (!role) throw roleNotFound();
  return role;
}

/** @throws POLICY_NOT_FOUND, also for one that is not seen */
export async function getPolicy(db: Database, { policyId, seen }: GetPolicyRequest): Promise<PolicyView> {
  const policy = await findPolicy(db, policyId, seen);
  if (!policy) throw policyNotFound();
  return policy;
}

/** @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID */
export async function listRoles(db: Database, { seen, memberId, ...page }: ListRolesRequest): Promise<ListRolesResponse> {
  const { items, nextPageToken } = await paged(
    ['roles', memberId],
    page,
    (page) => listedRoles(db, { ...page, seen, memberId }),
    ({ name, roleId }) => ({ name, id: roleId }),
  );
  return { roles: items, nextPageToken };
}

/** @throws INVALID_ARGUMENT, PAGE_TOKEN_INVALID */
export async function listPolicies(db: Database, { seen, ...page }: ListPoliciesRequest): Promise<ListPoliciesResponse> {
  const { items, nextPageToken } = await paged(
    ['policies'],
    page,
    (page) => listedPolicies(db, { ...page, seen }),
    ({ name, policyId }) => ({ name, id: policyId }),
  );
  return { policies: items, nextPageToken };
}

import { addEvents } from '#platform/operations/postgres.ts';
import { sql, type Transaction } from '#platform/postgres/database.ts';
import { definitionHash, type RoleDefinition } from './built-in.ts';
import { policyDeleted, policyEvent, roleEvent } from './events.ts';
import { policies, roles, takeName } from './store.ts';

/** A built-in role with the policies that it carries, as Auth is given it. */
export interface Installed extends RoleDefinition {
  builtIn: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/**
 * Brings a built-in role to its definition, and tells of it; one that is so already is not touched.
 * Concurrent calls wait for each other at the role's row, and the later one finds nothing to do.
 */
export async function putBuiltInRole(tx: Transaction, definition: RoleDefinition): Promise<void> {
  const { roleId, name, description } = definition;
  const changed = await tx.query(sql`
    insert into roles (role_id, name, description, built_in, definition_hash, version, created_at, updated_at)
    values (${roleId}, ${name}, ${description}, true, ${definitionHash(definition)}, 1, now(), now())
    on conflict (role_id) do update set name = excluded.name, description = excluded.description, built_in = true,
      definition_hash = excluded.definition_hash, version = roles.version + 1, updated_at = excluded.updated_at
    where roles.definition_hash is distinct from excluded.definition_hash
    returning 1`);
  if (changed.length === 0) return;
  const ids = definition.policies.map((policy) => policy.policyId);
  await takeBuiltInName(tx, 'role', roleId, name);
  for (const { policyId, name, cedar } of definition.policies) {
    await tx.query(sql`
      insert into policies (policy_id, name, cedar, built_in) values (${policyId}, ${name}, ${cedar}, true)
      on conflict (policy_id) do update set name = excluded.name, cedar = excluded.cedar, built_in = true,
        version = policies.version + 1, updated_at = now()`);
    await takeBuiltInName(tx, 'policy', policyId, name);
  }
  await tx.query(sql`delete from role_policies where role_id = ${roleId}`);
  await tx.query(sql`insert into role_policies (role_id, policy_id) select ${roleId}, unnest(${ids}::text[])`);
  // What only an earlier release's definition carried.
  const gone = await tx.query<{ policyId: string; version: number }>(sql`
    delete from policies p where built_in and not exists (select from role_policies r where r.policy_id = p.policy_id)
    returning policy_id as "policyId", version`);
  const put = [await policies.read(tx, { ids }), await roles.read(tx, { ids: [roleId] })] as const;
  await addEvents(tx, [
    ...put[0].map((policy) => policyEvent('policy.updated', policy)),
    ...gone.map(({ policyId, version }) => policyDeleted(policyId, version + 1)),
    ...put[1].map((role) => roleEvent('role.updated', role)),
  ]);
}

/** Takes the name for a built-in one: somebody else may have had it first, and keeps it. */
async function takeBuiltInName(tx: Transaction, kind: 'role' | 'policy', ownerId: string, name: string): Promise<void> {
  await takeName(tx, kind, ownerId, name).catch((error: { code?: string }) => {
    if (error.code !== 'NAME_TAKEN') throw error;
  });
}

/** The roles of these IDs that exist, with their policies, ordered by ID. */
export async function installed(tx: Transaction, roleIds: readonly string[]): Promise<Installed[]> {
  return tx.query<Installed>(sql`
    select r.role_id as "roleId", r.name, r.description, r.built_in as "builtIn", r.version,
      r.created_at as "createdAt", r.updated_at as "updatedAt",
      coalesce(
        (select json_agg(json_build_object('policyId', p.policy_id, 'name', p.name, 'cedar', p.cedar) order by p.policy_id)
         from role_policies rp join policies p using (policy_id) where rp.role_id = r.role_id),
        '[]') as policies
    from roles r where r.role_id = any(${[...roleIds]}::text[]) order by r.role_id`);
}

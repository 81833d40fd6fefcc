import { invalidArgument } from '#platform/errors.ts';
import { isDuplicateKey } from '#platform/mongo/database.ts';
import type { Role } from '../domain.ts';
import type { Policies } from '../policies.ts';
import type { Store } from '../store.ts';

/**
 * Puts roles with their policies in place, each if it is newer than what is here. From then on every
 * decision goes by them. All are checked before any is stored.
 *
 * @throws INVALID_POLICY that names each policy that is no Cedar or doesn't fit our schema
 */
export async function putRoles(store: Store, policies: Policies, roles: readonly Role[]): Promise<void> {
  const fields = roles.flatMap((role, index) => policies.violations(role.policies, `roles[${index}].policies`));
  if (fields.length > 0) throw invalidArgument('INVALID_POLICY', 'a policy is not valid', { fields });
  for (const { _id, version, policies } of roles) {
    try {
      await store.roles.updateOne({ _id, version: { $lt: version } }, { $set: { version, policies } }, { upsert: true });
    } catch (error) {
      // The role is here and not older: so the filter missed it, and the upsert met its ID.
      if (!isDuplicateKey(error)) throw error;
    }
  }
}

import { type FieldViolation, invalidArgument } from '#platform/errors.ts';
import { transaction } from '#platform/operations/mongo.ts';
import type { Auth } from '../auth.ts';
import type { Policy, Role } from '../domain.ts';
import { carrying } from '../role-policies.ts';

/**
 * Puts roles with their policies in place, each if it is newer than what is here. From then on every
 * decision goes by them. All are checked before any is stored.
 *
 * @throws INVALID_POLICY that names each policy that is no Cedar or doesn't fit our schema; POLICY_NOT_LISTABLE that names
 *   each that no list could hold to
 */
export async function putRoles(auth: Pick<Auth, 'store' | 'policies' | 'audit'>, roles: readonly Role[]): Promise<void> {
  const { policies } = auth;
  const find = (wrong: (policies: readonly Policy[], path: string) => FieldViolation[]): FieldViolation[] =>
    roles.flatMap((role, index) => wrong(role.policies, `roles[${index}].policies`));
  const invalid = find((...given) => policies.violations(...given));
  if (invalid.length > 0) throw invalidArgument('INVALID_POLICY', 'a policy is not valid', { fields: invalid });
  const unlistable = find((...given) => policies.unlistable(...given));
  if (unlistable.length > 0) throw invalidArgument('POLICY_NOT_LISTABLE', undefined, { fields: unlistable });
  for (const role of roles) await putRole(auth, role);
}

/** The system itself does it, so the audit knows nobody who did. */
async function putRole({ store, audit }: Pick<Auth, 'store' | 'audit'>, { _id, version, policies }: Role): Promise<void> {
  await transaction(store.mongo, async (session) => {
    const known = await store.roles.findOne({ _id }, { session, projection: { version: 1 } });
    if (known && known.version >= version) return;
    await store.roles.updateOne({ _id }, { $set: { version, ...carrying(policies) } }, { session, upsert: true });
    const action = known ? 'role.update' : 'role.create';
    await audit.note(session, { action, resources: [{ type: 'Role', id: _id }] });
  });
}

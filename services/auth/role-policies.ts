import type { ClientSession } from 'mongodb';
import { type FieldViolation, invalidFields } from '#platform/errors.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { isId } from '#platform/validation/id.ts';
import type { Policy as PolicyMessage } from '#proto/musubi/role/v1/role.ts';
import type { Policy, Role } from './domain.ts';
import type { Policies } from './policies.ts';
import { factsOf } from './policy-facts.ts';
import type { Store } from './store.ts';
import { NAMESPACE } from './uid.ts';

/** What a role has of policies: themselves, and the IDs that stand in them. */
export const carrying = (policies: readonly Policy[]): Required<Pick<Role, 'policies' | 'mentioned'>> => ({
  policies: [...policies],
  mentioned: [...new Set(policies.flatMap(({ cedar }) => factsOf(cedar).strings))].filter((one) => isId(one) || one === ROOT),
});

/**
 * Gives a role other policies and its next version, so that no decision by the former ones is used any more.
 *
 * @returns the role as it was; undefined: there is none
 */
export async function changePolicies(
  { roles }: Store,
  session: ClientSession,
  roleId: string,
  change: (policies: readonly Policy[]) => Policy[],
): Promise<Role | undefined> {
  const role = await roles.findOne({ _id: roleId }, { session });
  if (!role) return undefined;
  await roles.updateOne({ _id: roleId }, { $set: carrying(change(role.policies)), $inc: { version: 1 } }, { session });
  return role;
}

/**
 * A policy that roles may carry: Cedar for our schema, to which a list can hold.
 *
 * @param raw whether it was written as Cedar; false: as effect, actions and resources. An error then names that field
 * @throws INVALID_POLICY, POLICY_NOT_LISTABLE
 */
export function requirePolicy(policies: Policies, given: PolicyMessage | undefined, raw: boolean): Policy {
  if (!given) throw invalidFields([{ field: 'policy', code: 'REQUIRED', message: 'is missing' }]);
  const named = (violations: FieldViolation[]): FieldViolation[] =>
    violations.map(({ message }) => (raw ? { field: 'cedar', message } : simply(message)));
  const invalid = policies.violations([given], '');
  if (invalid.length > 0) throw invalidFields(named(invalid), 'INVALID_POLICY');
  // Who writes Cedar may mean it. Of the others nobody does, and what was to be denied would not be.
  if (!raw && policies.neverApplies(given))
    throw invalidFields(
      [{ field: 'resources', message: 'must be what the actions are done to: no action is ever done to one of these' }],
      'INVALID_POLICY',
    );
  const unlistable = policies.unlistable([given], '');
  if (unlistable.length > 0) throw invalidFields(named(unlistable), 'POLICY_NOT_LISTABLE');
  const { policyId, name, cedar } = given;
  return { policyId, name, cedar };
}

/**
 * All who are in a group hold the position of its members, and nobody is bound to that: a policy that names it would never say anything of anybody.
 *
 * @throws INVALID_POLICY
 */
export async function requireNamesNoMembers({ groups }: Store, session: ClientSession, policy: Policy): Promise<void> {
  const { strings } = factsOf(policy.cedar);
  if (!strings.includes(`${NAMESPACE}::Position`)) return;
  const those = { positions: { $elemMatch: { id: { $in: carrying([policy]).mentioned }, kind: 'member' } } } as const;
  const group = await groups.findOne(those, { session, projection: { _id: 1, 'positions.id': 1, 'positions.kind': 1 } });
  if (!group) return;
  const { id = '' } = group.positions.find(({ kind }) => kind === 'member') ?? {};
  const message = `must not name position ${id}, which all members of group ${group._id} hold, and nobody is bound to: ask \`principal in resource.members\`, or name a position to which those are bound`;
  throw invalidFields([{ field: 'cedar', message }], 'INVALID_POLICY');
}

/** The same of a policy that was not written as Cedar: where it stands in that is nowhere in what was written. */
function simply(message: string): FieldViolation {
  const field = message.includes('unrecognized entity type') ? 'resources' : 'actions';
  return { field, message: message.replace(/^is not valid at [^:]*:/, 'is not valid:') };
}

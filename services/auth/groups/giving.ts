import type { ClientSession } from 'mongodb';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Author } from '../permitted.ts';
import type { Policies } from '../policies.ts';
import { exceedsOwn, permissionRevoked } from '../refusals.ts';
import type { Store } from '../store.ts';
import type { Permission } from './group.ts';

// What who is no administrator gives in groups: nothing that it does not hold there itself, nor for longer than it does.

/** Whether something is so of who asks, as if it did not hold some positions. */
type Look = (without: readonly string[]) => Promise<boolean>;

/**
 * Whether something is so of the author for as long as what it gives or takes by that. For how long it holds its positions, the saga was told before: those
 * that it came to hold since, or holds for another time, count as not held, either. Which these are is asked for after the look, and it looks
 * again where there are more: what it came to hold until then counts, too.
 *
 * @throws PERMISSION_REVOKED where it is so only by one of these, or it is not known which they are
 */
export async function isForAsLong({ without, otherTenures }: Author, look: Look): Promise<boolean> {
  if (!without) return await look([]);
  if (!(await look(without))) return false;
  const left = new Set(without);
  for (;;) {
    const others = await otherTenures();
    if (!others) throw permissionRevoked();
    if (others.every((id) => left.has(id))) return true;
    for (const id of others) left.add(id);
    if (!(await look([...left]))) throw permissionRevoked();
  }
}

/** By this it is given for as long as who does it says. */
const BIND = 'position.bind' satisfies Action;

/** @throws EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED unless that is so */
async function requireForAsLong(author: Author, look: Look): Promise<void> {
  if (!(await isForAsLong(author, look))) throw exceedsOwn(author.action === BIND && (await look([])));
}

/**
 * Nobody gives what they do not hold there themselves, nor for longer than they hold it.
 *
 * @throws EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED
 */
export async function requireHeldThere(
  author: Author | undefined,
  groupId: string,
  permissions: readonly Permission[],
): Promise<void> {
  if (!author || author.isAdmin || permissions.length === 0) return;
  await requireForAsLong(author, (without) => author.holdsThere(groupId, permissions, without));
}

/**
 * That who does to a group what is done by that to all below it may do it there, too, where there is anything.
 *
 * @throws EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED
 */
export async function requireHeldBelow(
  { groups }: Pick<Store, 'groups'>,
  session: ClientSession,
  author: Author | undefined,
  groupId: string,
  action: Action,
): Promise<void> {
  const below = { path: groupId, _id: { $ne: groupId }, removedBy: { $exists: false } };
  if (await groups.findOne(below, { session, projection: { _id: 1 } }))
    await requireHeldThere(author, groupId, [{ action, reach: 'subtree' }]);
}

/**
 * After somebody else comes to lead a group: who is no administrator gives by that nothing, either, that policies permit to those who lead.
 *
 * @throws EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED
 */
export async function requireMayLeadThere(
  { roles }: Pick<Store, 'roles'>,
  session: ClientSession,
  policies: Policies,
  author: Author | undefined,
  groupId: string,
): Promise<void> {
  if (!author || author.isAdmin) return;
  const telling = await roles.find({ 'policies.cedar': /leaders/ }, { session, projection: { policies: 1 } }).toArray();
  const actions = policies.leadersMay(telling.flatMap((role) => role.policies));
  await requireHeldThere(
    author,
    groupId,
    actions.map((action) => ({ action, reach: 'subtree' as const })),
  );
}

/**
 * Whoever holds a position that policies name gets what these say, which may be anything: so who is no administrator gives only those that it
 * holds itself.
 *
 * @throws EXCEEDS_OWN_PERMISSIONS, PERMISSION_REVOKED
 */
export async function requireHoldsNamed(
  { roles, members }: Pick<Store, 'roles' | 'members'>,
  session: ClientSession,
  author: Author | undefined,
  positionIds: readonly string[],
): Promise<void> {
  if (!author || author.isAdmin || positionIds.length === 0) return;
  const named = await roles.distinct('mentioned', { mentioned: { $in: [...positionIds] } }, { session });
  const given = positionIds.filter((id) => named.includes(id));
  if (given.length === 0) return;
  const holder = { _id: author.memberId, positionIds: { $all: given } };
  const holds = (await members.findOne(holder, { session, projection: { _id: 1 } })) !== null;
  await requireForAsLong(author, async (without) => holds && !given.some((id) => without.includes(id)));
}

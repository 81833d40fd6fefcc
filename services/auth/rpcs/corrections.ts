import { randomUUID } from 'node:crypto';
import type { ClientSession } from 'mongodb';
import { invalidArgument } from '#platform/errors.ts';
import { isDuplicateKey } from '#platform/mongo/database.ts';
import { type OutboxEvent, runStep } from '#platform/operations/mongo.ts';
import { ADMIN } from '#platform/validation/access-fields.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type {
  CorrectGroupRequest,
  CorrectLoginRequest,
  CorrectRoleRequest,
  CorrectStandingRequest,
} from '#proto/musubi/auth/v1/auth.ts';
import { loginKey } from '../domain.ts';
import { loginEvent } from '../events.ts';
import { placeGroup, positionOf, putStanding } from '../groups/store.ts';
import type { Policies } from '../policies.ts';
import { loginTaken } from '../refusals.ts';
import { carrying } from '../role-policies.ts';
import { changeLogin, type Login, requireAdmin, type Store } from '../store.ts';

// Auth has copies of what Member, Role, Group and Position know. A copy that differs, while nobody changes the original, is put right.

/** The copy has another version than the one that was compared. */
class Changed extends Error {}

/**
 * One transaction, with a new operation each time: under an old one, what somebody plants a second time would pass for put right. A repeat
 * finds another version, and does nothing.
 *
 * @returns false where it has changed since it was compared
 */
async function correct(store: Store, name: string, work: (session: ClientSession) => Promise<OutboxEvent[]>): Promise<boolean> {
  const step = { do: async ({ session }: { session: ClientSession }) => ({ result: {}, events: await work(session) }) };
  try {
    await runStep(store, name, step, { operationId: `${name}/${randomUUID()}` });
    return true;
  } catch (error) {
    if (error instanceof Changed) return false;
    throw error;
  }
}

/** @throws LOGIN_TAKEN; LAST_ADMIN when no administrator could log in any more */
export const correctLogin = (store: Store, { memberId, version, loginId, open, roles }: CorrectLoginRequest): Promise<boolean> =>
  correct(store, 'correctLogin', async (session) => {
    const change = {
      ...(loginId === undefined ? {} : { loginId, loginKey: loginKey(loginId) }),
      ...(open === undefined ? {} : { status: open ? ('active' as const) : ('suspended' as const) }),
      // For good, as a suspension ends them.
      ...(open === false ? { sessions: [] } : {}),
      ...(roles ? { roleIds: roles.roleIds } : {}),
    };
    const changed = await changeLogin(store, session, memberId, change).catch((error: unknown) => {
      throw isDuplicateKey(error) ? loginTaken() : error;
    });
    if (changed?.before.version !== version) throw new Changed();
    const { before, after } = changed;
    if (isAdministrator(before) && !isAdministrator(after)) await requireAdmin(store, session);
    return before.status === 'active' && after.status !== 'active' ? [loginEvent('auth.login-suspended', after)] : [];
  });

const isAdministrator = ({ status, roleIds }: Login): boolean => status === 'active' && roleIds.includes(ADMIN);

/** @throws INVALID_POLICY */
export async function correctRole(
  store: Store,
  policies: Policies,
  { roleId, version, policies: carried, removed }: CorrectRoleRequest,
): Promise<boolean> {
  const fields = policies.violations(carried, 'policies');
  if (fields.length > 0) throw invalidArgument('INVALID_POLICY', 'a policy is not valid', { fields });
  const { roles, clock } = store;
  return await correct(store, 'correctRole', async (session) => {
    if (removed) {
      if ((await roles.deleteOne({ _id: roleId, version }, { session })).deletedCount === 0) throw new Changed();
    } else if (version === 0) {
      // Under a version that it never had: decisions are kept by it.
      const role = { _id: roleId, version: clock.now(), ...carrying(carried) };
      await roles.insertOne(role, { session }).catch((error: unknown) => {
        throw isDuplicateKey(error) ? new Changed() : error;
      });
    } else {
      const change = { $set: carrying(carried), $inc: { version: 1 } };
      if ((await roles.updateOne({ _id: roleId, version }, change, { session })).matchedCount === 0) throw new Changed();
    }
    return [];
  });
}

export const correctGroup = (store: Store, request: CorrectGroupRequest): Promise<boolean> =>
  correct(store, 'correctGroup', async (session) => {
    const { groupId, version, parentId, findable, positions, removed } = request;
    const { groups, clock } = store;
    const isCompared = { _id: groupId, version, removedBy: { $exists: false } };
    if (removed) {
      if ((await groups.deleteOne(isCompared, { session })).deletedCount === 0) throw new Changed();
      return [];
    }
    const path = await pathIn(store, session, groupId, parentId);
    const given = {
      ...(path ? { path } : {}),
      ...(findable === undefined ? {} : { findable }),
      ...(positions ? { positions: positions.grants.map(positionOf) } : {}),
    };
    if (version === 0) {
      // Under a version that it never had: one that was compared then is not taken for this one.
      const made = { _id: groupId, path: [groupId], findable: false, positions: [], ...given, version: clock.now() };
      await groups.insertOne(made, { session }).catch((error: unknown) => {
        throw isDuplicateKey(error) ? new Changed() : error;
      });
      return [];
    }
    const change = { $set: given, $inc: { version: 1 } };
    if ((await groups.updateOne(isCompared, change, { session })).matchedCount === 0) throw new Changed();
    if (path) await placeGroup(store, session, groupId, path.slice(0, -1));
    return [];
  });

/** Where a group is to be; undefined: where it is. */
async function pathIn(
  { groups }: Store,
  session: ClientSession,
  groupId: string,
  parentId: string | undefined,
): Promise<string[] | undefined> {
  if (parentId === undefined) return undefined;
  if (groupId === ROOT) return [ROOT];
  // Who moves that one meets us here, as in `requireParent`.
  const there = { _id: parentId, removedBy: { $exists: false } };
  const parent = await groups.findOneAndUpdate(there, { $inc: { placed: 1 } }, { session, returnDocument: 'after' });
  if (!parent || parent.path.includes(groupId)) throw new Changed();
  return [...parent.path, groupId];
}

export const correctStanding = (store: Store, request: CorrectStandingRequest): Promise<boolean> =>
  correct(store, 'correctStanding', async (session) => {
    const { groupId, memberId, version, isMember, isInvited, positions } = request;
    if (groupId === '') {
      await forgetStrays(store, session, request);
      return [];
    }
    const group = await store.groups.findOne({ _id: groupId, removedBy: { $exists: false } }, { session });
    const member = await store.members.findOne(
      { _id: memberId },
      { session, projection: { groupIds: 1, positionIds: 1, invitedTo: 1 } },
    );
    if (!group || !member) throw new Changed();
    const { groupIds = [], positionIds = [], invitedTo = [] } = member;
    const bound = group.positions.flatMap(({ id }) => (positionIds.includes(id) ? [id] : []));
    const isIn = isMember ?? groupIds.includes(groupId);
    const standing = {
      memberId,
      isMember: isIn,
      isInvited: !isIn && (isInvited ?? invitedTo.includes(groupId)),
      positionIds: positions?.positionIds ?? bound,
    };
    const tenures = standing.positionIds.filter((id) => !bound.includes(id));
    if (!(await putStanding(store, session, group, standing, { version, tenures }))) throw new Changed();
    return [];
  });

/** Has a member be bound to no position any more that no group has, but to those that stay. */
async function forgetStrays(
  { members, groups }: Store,
  session: ClientSession,
  { memberId, version, positions }: CorrectStandingRequest,
): Promise<void> {
  const member = await members.findOne({ _id: memberId }, { session, projection: { positionIds: 1 } });
  const held = member?.positionIds ?? [];
  const found = await groups.find({ 'positions.id': { $in: held } }, { session, projection: { 'positions.id': 1 } }).toArray();
  const known = new Set([...found.flatMap(({ positions }) => positions.map(({ id }) => id)), ...(positions?.positionIds ?? [])]);
  const positionIds = held.filter((id) => known.has(id));
  const isCompared = { _id: memberId, standings: version === 0 ? { $exists: false } : version };
  const change = { $set: { positionIds }, $inc: { standings: 1 } };
  if ((await members.updateOne(isCompared, change, { session })).matchedCount === 0) throw new Changed();
}

import { randomUUID } from 'node:crypto';
import type { ClientSession } from 'mongodb';
import { invalidArgument } from '#platform/errors.ts';
import { isDuplicateKey } from '#platform/mongo/database.ts';
import { type OutboxEvent, runStep } from '#platform/operations/mongo.ts';
import { ADMIN } from '#platform/validation/access-fields.ts';
import type { CorrectLoginRequest, CorrectRoleRequest } from '#proto/musubi/auth/v1/auth.ts';
import { loginKey } from '../domain.ts';
import { loginEvent } from '../events.ts';
import type { Policies } from '../policies.ts';
import { loginTaken } from '../refusals.ts';
import { carrying } from '../role-policies.ts';
import { changeLogin, type Login, requireAdmin, type Store } from '../store.ts';

// Auth has copies of what Member and Role know. A copy that differs, while nobody changes the original, is put right.

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

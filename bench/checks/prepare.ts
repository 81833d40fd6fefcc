import { randomUUID } from 'node:crypto';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { type Client, login } from '../../test/client.ts';
import { Jobs } from '../jobs.ts';

/** What may be done to a member and changes something: of what only reads the answer is a condition. */
export const ACTIONS = [
  'member.register',
  'member.update',
  'member.delete',
  'member.suspend',
  'member.reinstate',
  'member.set-schema',
  'member.list-login-holds',
  'member.release-login',
] as const satisfies Action[];

export const ROLES = 30;
export const POLICIES = 10;
/** Policies that are made, and roles that are given, at the same time. */
const AT_ONCE = 20;

/** Somebody who asks: a member with a session of its own. */
export interface Lane {
  loginId: string;
  memberId: string;
  token: string;
}

export interface Prepared {
  /** With the built-in role. */
  plain: Lane[];
  /** With 30 roles more of 10 policies each. */
  loaded: Lane[];
  /** The members of whom the policies speak, one each. */
  named: string[];
}

const passwordOf = (loginId: string): string => `password of ${loginId}`;

/** All by the API, as administrators make it. */
export async function prepare(admin: Client, lanes: number): Promise<Prepared> {
  const jobs = await Jobs.follow(admin);
  try {
    const make = async (path: string, body: object): Promise<string> => {
      const { result } = await jobs.done(await admin.post(path, body));
      return String((result as { id: string }).id);
    };
    const members = (kind: string) =>
      Promise.all(
        Array.from({ length: lanes }, async (_, at): Promise<Lane> => {
          const loginId = `${kind}${at}`;
          const body = { loginId, password: passwordOf(loginId), displayName: loginId, email: `${loginId}@example.com` };
          return { loginId, memberId: await make('/v1/members', body), token: '' };
        }),
      );
    const [plain, loaded] = [await members('plain'), await members('loaded')];
    const named: string[] = [];
    const roleIds: string[] = [];
    await atOnce(Array.from({ length: ROLES }), async (_, role) => {
      const roleId = await make('/v1/roles', { name: `Role ${role}` });
      roleIds.push(roleId);
      for (let i = 0; i < POLICIES; i++) {
        const memberId = randomUUID();
        named.push(memberId);
        const body = { name: `Policy ${role}.${i}`, effect: 'allow', actions: ACTIONS, resources: [`member:${memberId}`, 'own'] };
        const policyId = await make('/v1/policies', body);
        await jobs.done(await admin.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined));
      }
    });
    await atOnce(loaded, async ({ memberId }) => {
      for (const roleId of roleIds) await jobs.done(await admin.put(`/v1/members/${memberId}/roles/${roleId}`, undefined));
    });
    return { plain, loaded, named };
  } finally {
    await jobs.close();
  }
}

/** Access tokens last five minutes. */
export async function logIn(lanes: readonly Lane[]): Promise<void> {
  for (const lane of lanes) {
    const tokenOf = async () => (await login(lane.loginId, passwordOf(lane.loginId))).token ?? '';
    // A connection that was idle meanwhile may just be closed by the other side.
    lane.token = await tokenOf().catch(tokenOf);
  }
}

async function atOnce<T>(items: readonly T[], work: (item: T, at: number) => Promise<void>): Promise<void> {
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [at, item] of queue) await work(item, at);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

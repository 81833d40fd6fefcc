import { randomUUID } from 'node:crypto';
import { ROOT } from '#platform/validation/group-fields.ts';
import { authorize, check } from '../access.ts';
import { freshLogin, loginOf, type TestAuth } from '../auth.fixture.ts';
import type { Member } from '../domain.ts';
import { logIn } from '../rpcs/log-in.ts';
import type { Group, Position } from './group.ts';

// Groups as Auth's store has them, and members who ask what they may do there.

export const group = (id: string) => ({ type: 'Group', id, ownerId: '' });

export const position = (kind: Position['kind'], ...permissions: [action: string, reach: 'here' | 'subtree'][]): Position => ({
  id: randomUUID(),
  kind,
  permissions: permissions.map(([action, reach]) => ({ action, reach })),
});

export function askingOf(auth: TestAuth) {
  async function add(parent: Group | undefined, more: Partial<Group> = {}): Promise<Group> {
    const _id = randomUUID();
    const made = { _id, path: [...(parent?.path ?? [ROOT]), _id], findable: false, positions: [], version: 1, ...more };
    await auth.store.groups.insertOne(made);
    return made;
  }

  async function member(of: Pick<Member, 'groupIds' | 'positionIds' | 'invitedTo'>, roleIds: string[] = []) {
    const loginId = freshLogin();
    const memberId = await auth.member({ loginId, roleIds });
    await auth.store.members.updateOne({ _id: memberId }, { $set: of });
    const { accessToken } = await logIn(auth, loginOf(loginId));
    const may = async (action: string, ...ids: string[]): Promise<boolean[]> =>
      await check(auth, { accessToken, checks: ids.map((id) => ({ action, resource: group(id) })) });
    const seen = async (action: string, id = '') =>
      (await authorize(auth, { accessToken, action, resource: group(id), filtered: true })).seen;
    return { memberId, accessToken, may, seen };
  }
  return { add, member };
}

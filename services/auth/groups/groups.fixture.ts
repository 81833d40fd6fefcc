import { randomUUID } from 'node:crypto';
import { ROOT } from '#platform/validation/group-fields.ts';
import { type Grant, PositionKind, Reach, type Tenure } from '#proto/musubi/position/v1/position.ts';
import { authenticate, check } from '../access.ts';
import { freshLogin, loginOf, type TestAuth } from '../auth.fixture.ts';
import { logIn } from '../rpcs/log-in.ts';

// Groups and their members in Auth, for tests.

export function grant(kind: PositionKind, ...permissions: [action: string, reach: 'here' | 'subtree'][]): Grant {
  const reachOf = { here: Reach.REACH_HERE, subtree: Reach.REACH_SUBTREE };
  return {
    positionId: randomUUID(),
    kind,
    permissions: permissions.map(([action, reach]) => ({ action, reach: reachOf[reach] })),
  };
}
/** What who leads a group that tests make may do there. */
export const LED: [string, 'subtree'][] = ['group.update', 'group.move', 'group.create', 'position.bind'].map((action) => [
  action,
  'subtree',
]);

export const operation = () => ({ operationId: `${randomUUID()}/step`, permit: undefined });
/** For how long members are bound, where nothing is said of that. */
export const NO_TENURE: Tenure = { prolongedIds: [], shortens: false, endingSoonerIds: [], leaders: undefined };
/** Of a move, by who holds all that it does without end. */
export const moving = () => ({ ...operation(), endingIds: [] });
/** Of a change of standings. */
export const change = () => ({ ...operation(), tenure: undefined });

/** What tests make. */
export function groupsOf(auth: TestAuth) {
  /** A member with a session. */
  async function member(...roleIds: string[]) {
    const loginId = freshLogin();
    const memberId = await auth.member({ loginId, roleIds });
    const { accessToken } = await logIn(auth, loginOf(loginId));
    const { sessionId } = await authenticate(auth, accessToken);
    return {
      memberId,
      accessToken,
      /** What it shows at a pivot of a command on a group. */
      permit: (groupId: string, action = 'group.update', tenures?: number) =>
        auth.permits.seal({ memberId, sessionId, action, resource: { type: 'Group', id: groupId, ownerId: '' }, tenures }),
      may: async (action: string, groupId: string): Promise<boolean> =>
        (await check(auth, { accessToken, checks: [{ action, resource: { type: 'Group', id: groupId, ownerId: '' } }] }))[0] ??
        false,
    };
  }

  /** A group that a member leads. */
  async function made(leaderId: string | undefined, parentId = ROOT, ...more: Grant[]) {
    const groupId = randomUUID();
    const leader = grant(PositionKind.POSITION_KIND_LEADER, ...LED);
    const everybody = grant(PositionKind.POSITION_KIND_MEMBER, ['group.list-members', 'here']);
    const operationId = `${randomUUID()}/auth.addGroup`;
    const positions = [leader, everybody, ...more];
    await auth.steps.addGroup({ operationId, groupId, parentId, findable: true, positions, leaderId, permit: undefined });
    return { groupId, operationId, leader, everybody };
  }
  const pathOf = async (groupId: string) => (await auth.store.groups.findOne({ _id: groupId }))?.path;
  const undo = (operationId: string) => auth.steps.undo({ operationId });
  return { member, made, pathOf, undo };
}

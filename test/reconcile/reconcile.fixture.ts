import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { CallInfo } from '#platform/grpc/server.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { newId } from '#platform/validation/id.ts';
import { openTestAuth } from '../../services/auth/auth.fixture.ts';
import { authHandlers } from '../../services/auth/grpc.ts';
import { groupHandlers } from '../../services/group/grpc.ts';
import { groupState } from '../../services/group/state.ts';
import { openStore as openGroups } from '../../services/group/store.ts';
import { memberHandlers } from '../../services/member/grpc.ts';
import { memberState } from '../../services/member/state.ts';
import { openStore as openMembers } from '../../services/member/store.ts';
import { positionHandlers } from '../../services/position/grpc.ts';
import { positionState } from '../../services/position/state.ts';
import { openStore as openPositions } from '../../services/position/store.ts';
import { roleHandlers } from '../../services/role/grpc.ts';
import { roleState } from '../../services/role/state.ts';
import { openStore as openRoles } from '../../services/role/store.ts';
import type { Reconciling } from '../../worker/reconcile/reconcile.ts';
import { scratchDatabase } from '../scratch-database.ts';

// Member, Role, Group, Position and Auth over databases of a test's own, on the real servers, and called without a transport.

const info = { signal: new AbortController().signal } as CallInfo;

/** What a service is asked without a transport: a request leaves out what it does not need. */
type PeerOf<Handlers> = {
  [Name in keyof Handlers]: Handlers[Name] extends (request: infer Request, call: CallInfo) => infer Answer
    ? (request: Partial<Request>) => Answer
    : never;
};

type RequestOf<Method> = Method extends (request: infer Request) => unknown ? Request : never;
type AnswerOf<Method> = Method extends (request: never) => infer Answer ? Answer : never;

/** What the handlers do, as a peer does it. */
const peerOf = <Handlers extends object>(handlers: Handlers): PeerOf<Handlers> =>
  Object.fromEntries(
    Object.entries(handlers).map(([name, handle]: [string, (request: unknown, call: CallInfo) => unknown]) => [
      name,
      (request: unknown) => handle(request, info),
    ]),
  ) as PeerOf<Handlers>;

export async function openAccess() {
  const [membersAt, rolesAt] = [scratchDatabase('reconcile_members'), scratchDatabase('reconcile_roles')];
  const [memberDb, roleDb] = [await openMembers(membersAt), await openRoles(rolesAt)];
  const [groupsAt, positionsAt] = [scratchDatabase('reconcile_groups'), scratchDatabase('reconcile_positions')];
  const [groupDb, positionDb] = [await openGroups(groupsAt), await openPositions(positionsAt)];
  const auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  const peers = {
    member: peerOf(memberHandlers(memberDb)),
    role: peerOf(roleHandlers(roleDb)),
    group: peerOf(groupHandlers(groupDb)),
    position: peerOf(positionHandlers(positionDb)),
    auth: peerOf(authHandlers(auth, auth.keys)),
  };
  const { roles } = await peers.role.ensureBuiltInRoles({});
  await peers.auth.putRoles({ roles });
  await peers.group.ensureRoot({});
  await peers.auth.putRootGroup(await peers.position.ensureRootPositions({}));

  const lines: Record<string, unknown>[] = [];
  /** Whose sockets were closed, and narrowed. */
  const sockets: string[] = [];
  const context: Reconciling = {
    auth: peers.auth as unknown as Reconciling['auth'],
    websocket: {
      closeSockets: async ({ memberId }: { memberId: string }) => void sockets.push(`closed ${memberId}`),
      narrowSockets: async ({ members }: { members?: { memberIds: string[] } }) =>
        void sockets.push(`narrowed ${members?.memberIds.join() ?? 'all'}`),
    } as unknown as Reconciling['websocket'],
    group: peers.group as unknown as Reconciling['group'],
    position: peers.position as unknown as Reconciling['position'],
    tellers: {
      member: memberState(memberDb).handlers,
      role: roleState(roleDb).handlers,
      group: groupState(groupDb).handlers,
      position: positionState(positionDb).handlers,
    } as unknown as Reconciling['tellers'],
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    settleMs: 50,
  };

  /** Registers a member as the saga does. */
  async function member(roleIds: string[] = ['member']): Promise<{ memberId: string; loginId: string }> {
    const [jobId, memberId] = [randomUUID(), newId()];
    const loginId = `m.${memberId}`;
    const ids = (step: string) => ({ operationId: `${jobId}/${step}`, memberId });
    const { passwordRef } = await peers.auth.stagePassword({ password: 'correct horse battery' });
    await peers.member.createMember({
      ...ids('member.createMember'),
      loginId,
      displayName: 'M',
      email: `${loginId}@example.com`,
    });
    await peers.auth.bindLogin({ ...ids('auth.bindLogin'), loginId, passwordRef });
    await peers.group.enterOrganisation(ids('group.enterOrganisation'));
    await peers.role.assignRoles({ ...ids('role.assignRoles'), roleIds });
    await peers.auth.grantRoles({ ...ids('auth.grantRoles'), roleIds });
    await peers.member.activateMember(ids('member.activateMember'));
    return { memberId, loginId };
  }

  /** Makes a role that carries a policy as the sagas do. */
  async function role(): Promise<{ roleId: string; policyId: string }> {
    const [roleId, policyId] = [newId(), newId()];
    const simple = { effect: 'EFFECT_ALLOW' as const, actions: ['member.read'], resources: ['*'] };
    const makeRole = job();
    await makeRole('role', 'beginCreateRole', { roleId, name: randomUUID(), description: '' });
    await makeRole('auth', 'addRole', { roleId });
    await makeRole('role', 'commitRole', { roleId });
    const makePolicy = job();
    const made = { policyId, name: randomUUID(), cedar: undefined, simple };
    await makePolicy('auth', 'changePolicy', {
      roleIds: [],
      raw: false,
      ...(await makePolicy('role', 'beginCreatePolicy', made)),
    });
    await makePolicy('role', 'commitPolicy', { policyId });
    const attach = job();
    const begun = await attach('role', 'beginAttachPolicy', { roleId, policyId });
    await attach('auth', 'attachPolicy', { roleId, ...begun });
    await attach('role', 'commitRole', { roleId });
    return { roleId, policyId };
  }

  /** The steps of a saga: each under an operation of its own of one job. */
  const job = () => {
    const jobId = randomUUID();
    const step = <Service extends keyof typeof peers, Name extends string & keyof (typeof peers)[Service]>(
      service: Service,
      name: Name,
      request: RequestOf<(typeof peers)[Service][Name]> = {} as RequestOf<(typeof peers)[Service][Name]>,
    ): AnswerOf<(typeof peers)[Service][Name]> => {
      const ask = peers[service][name] as (request: object) => AnswerOf<(typeof peers)[Service][Name]>;
      return ask({ operationId: `${jobId}/${service}.${name}`, ...(request as object) });
    };
    const undo = (service: keyof typeof peers, name: string) =>
      peers[service].undo({ operationId: `${jobId}/${service}.${name}` });
    return Object.assign(step, { undo });
  };

  /** Makes a group as the saga does, with a leader. */
  async function group({ parentId = ROOT, leaderId = undefined as string | undefined } = {}) {
    const [step, groupId] = [job(), newId()];
    const fields = { name: randomUUID(), description: '', visibility: 'VISIBILITY_OPEN' as const, tags: [] };
    await step('group', 'beginCreateGroup', { groupId, parentId, ...fields });
    if (leaderId) await step('group', 'addCreator', { groupId, memberId: leaderId });
    const { positions } = await step('position', 'addDefaultPositions', { groupId, leaderId });
    await step('auth', 'addGroup', { groupId, parentId, findable: true, positions, leaderId });
    await step('group', 'commitGroup', { groupId });
    return groupId;
  }

  /** Makes a position of a group as the saga does. */
  async function position(groupId: string) {
    const [step, positionId] = [job(), newId()];
    const permissions = [{ action: 'group.update', reach: 'REACH_SUBTREE' as const }];
    const { position } = await step('position', 'beginCreatePosition', { groupId, positionId, name: randomUUID(), permissions });
    await step('auth', 'putPosition', { groupId, position });
    await step('position', 'commitPosition', { positionId });
    return positionId;
  }

  /** Has a member be in a group, and bound to a position of it, as the sagas do. */
  async function standing(groupId: string, memberId: string, positionId?: string): Promise<void> {
    const step = job();
    await step('group', 'beginChangeMembership', { groupId, memberId, change: 'MEMBERSHIP_CHANGE_ADD', reason: '' });
    const bind = positionId ? [positionId] : [];
    const none = { release: [], releaseAll: false };
    if (positionId) await step('position', 'beginChangeBindings', { groupId, memberId, bind, ...none });
    const changes = [{ memberId, isMember: true, positions: { positionIds: bind } }];
    await step('auth', 'changeStandings', { groupId, changes });
    if (positionId) await step('position', 'commitBindings');
    await step('group', 'commitMembership');
  }

  return {
    job,
    group,
    position,
    standing,
    groupDb,
    positionDb,
    peers,
    auth,
    context,
    lines,
    sockets,
    member,
    role,
    memberDb,
    roleDb,
    async close(): Promise<void> {
      await auth.close();
      await membersAt.drop();
      await rolesAt.drop();
      await groupsAt.drop();
      await positionsAt.drop();
    },
  };
}
export type Access = Awaited<ReturnType<typeof openAccess>>;

/** What Auth has to have. */
export function there<One>(one: One | undefined): One {
  if (one === undefined) throw new Error('Auth has no such thing');
  return one;
}

/** What Auth has of a member, and of a role. */
export const loginOf = async ({ peers }: Access, memberId: string) =>
  (await peers.auth.listLogins({ afterId: '', limit: 0, memberIds: [memberId] })).logins[0];
export const roleOf = async ({ peers }: Access, roleId: string) =>
  (await peers.auth.listRoles({ afterId: '', limit: 0, roleIds: [roleId] })).roles[0];

/** What Auth has of a group, and of a member in it. */
export const groupOf = async ({ peers }: Access, groupId: string) =>
  (await peers.auth.listGroups({ afterId: '', limit: 0, groupIds: [groupId] })).groups[0];
export const standingOf = async ({ peers }: Access, groupId: string, memberId: string) =>
  (await peers.auth.listStandings({ ids: [`${groupId}.${memberId}`], memberIds: [] })).standings[0];

/** Has a member be in a group, and leave it, of which Auth hears nothing. */
export async function leftUntold(access: Access, groupId: string, memberId: string): Promise<void> {
  await access.standing(groupId, memberId);
  const step = access.job();
  await step('group', 'beginChangeMembership', { groupId, memberId, change: 'MEMBERSHIP_CHANGE_LEAVE', reason: '' });
  await step('group', 'commitMembership');
}

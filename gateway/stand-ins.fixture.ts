import { status } from '@grpc/grpc-js';
import { notFound, permissionDenied, unauthenticated, unavailable } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { newId } from '#platform/validation/id.ts';
import {
  type AuditEvent,
  type AuthenticateRequest,
  type AuthorizeRequest,
  AuthServiceService,
  type CheckRequest,
  type EndSessionRequest,
  type ListAuditEventsRequest,
  type ListSessionsRequest,
  type Resource,
  type StagePasswordChangeRequest,
  type Tie,
  TieKind,
} from '#proto/musubi/auth/v1/auth.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import type { GetMemberRequest, ListMembersRequest } from '#proto/musubi/query/v1/query.ts';
import type { CommandStart, Commands } from '../worker/client.ts';
import { apply, type State } from './applied.fixture.ts';
import { roomQueriesOf } from './chat-stand-ins.fixture.ts';
import { groupQueriesOf } from './group-stand-ins.fixture.ts';
import { noPageToken, sees } from './lists.fixture.ts';

// What stands behind the gateway in its tests, in place of the services' stores and of Temporal: a few maps.

function mayDo({ hanaId, refused }: State, memberId: string, action: string, resource: Resource | undefined): boolean {
  if (refused.some(({ actions, id = resource?.id }) => actions.includes(action) && id === resource?.id)) return false;
  const own = (resource?.type === 'Member' ? resource.id : resource?.ownerId) === memberId;
  const granted =
    ['member.read', 'member.list'].includes(action) ||
    action.startsWith('auth.') ||
    action.startsWith('room.') ||
    (own && !/delete|suspend|reinstate|lookalikes|login|schema/.test(action));
  return memberId !== hanaId || granted;
}

/** What the gateway never calls. */
const never = async (): Promise<never> => {
  throw new Error('the gateway never calls this');
};

export function authOf(world: State, tokens: Record<string, string>) {
  const known = (accessToken: string): string => {
    const memberId = Object.hasOwn(tokens, accessToken) ? tokens[accessToken] : undefined;
    if (!memberId) throw unauthenticated('TOKEN_INVALID', 'the token is not valid');
    return memberId;
  };
  const issued = { accessToken: world.hana, refreshToken: 'refresh', expiresIn: 300, memberId: world.hanaId };
  return {
    ...(Object.fromEntries(
      Object.keys(AuthServiceService).map((name) => [name, never]),
    ) as unknown as Handlers<AuthServiceService>),
    async authenticate({ accessToken }: AuthenticateRequest) {
      return { memberId: known(accessToken), sessionId: 'session', expiresAt: 0, expiresIn: 300 };
    },
    async authorize(request: AuthorizeRequest) {
      world.asked.push(request);
      const memberId = known(request.accessToken);
      if (!mayDo(world, memberId, request.action, request.resource))
        throw permissionDenied('PERMISSION_DENIED', 'no policy permits this');
      const seen = request.filtered ? world.seen : undefined;
      return { memberId, sessionId: 'session', seen, ...(request.wantsPermit ? { permit: `of ${request.action}` } : {}) };
    },
    async simulate({ accessToken }: { accessToken: string }) {
      known(accessToken);
      return { allowed: false, policies: [], positions: [] };
    },
    async explainGroup({ accessToken }: { accessToken: string }) {
      known(accessToken);
      const refused = { allowed: false, forbidden: false, policies: [], positions: [], wouldDo: [] };
      const by = (policyId: string, ...ties: Tie[]) => ({ policies: [{ policyId, roleId: 'r', ties }] });
      const inRoot = (kind: TieKind, positionId?: string): Tie => ({ kind, groupId: 'root', positionId });
      return {
        actions: [
          { ...refused, action: 'group.read', allowed: true, ...by('p', inRoot(TieKind.TIE_KIND_LEADER, 'l')) },
          { ...refused, action: 'group.delete' },
          { ...refused, action: 'group.update', forbidden: true, ...by('f') },
          { ...refused, action: 'group.move', wouldDo: [inRoot(TieKind.TIE_KIND_HOLDER, 'h'), inRoot(TieKind.TIE_KIND_MEMBER)] },
        ],
      };
    },
    async login({ loginId, password }: { loginId: string; password: string }) {
      if (loginId !== 'hana' || password !== 'correct horse')
        throw unauthenticated('BAD_CREDENTIALS', 'login or password is wrong');
      return { ...issued, deviceCookie: 'cookie', deviceCookieExpiresIn: 1_000 };
    },
    async refresh({ refreshToken }: { refreshToken: string }) {
      if (refreshToken !== 'refresh') throw unauthenticated('REFRESH_TOKEN_INVALID', 'the refresh token is not valid');
      return { ...issued, deviceCookie: '', deviceCookieExpiresIn: 0 };
    },
    logout: async () => ({}),
    async listSessions({ accessToken, pageSize, pageToken }: ListSessionsRequest) {
      noPageToken(pageToken);
      known(accessToken);
      const at = new Date();
      const session = { createdAt: at, lastUsedAt: at, expiresAt: at, userAgent: 'test', address: '', current: true };
      return { sessions: [{ ...session, sessionId: world.sessionId }].slice(0, pageSize), nextPageToken: '' };
    },
    async endSession({ accessToken, sessionId }: EndSessionRequest) {
      known(accessToken);
      if (sessionId !== world.sessionId) throw notFound('SESSION_NOT_FOUND', 'there is no such session');
      return {};
    },
    getJwks: async () => ({ jwksJson: '{"keys":[{"kty":"EC","kid":"1"}]}' }),
    async check({ accessToken, checks }: CheckRequest) {
      const memberId = known(accessToken);
      return { allowed: checks.map(({ action, resource }) => mayDo(world, memberId, action, resource)), stamps: [] };
    },
    checkRename: async () => ({}),
    listHeldLogins: async ({ loginId, pageToken }: { loginId: string; pageToken: string }) => {
      noPageToken(pageToken);
      const hold = { holdId: newId(), memberId: world.hanaId, loginId: loginId || undefined };
      return { heldLogins: [{ ...hold, heldAt: new Date(), until: new Date() }], nextPageToken: '' };
    },
    listAuditEvents: async ({ pageToken }: ListAuditEventsRequest) => {
      noPageToken(pageToken);
      return { events: [auditEvent(1, world.hanaId)], nextPageToken: '' };
    },
    async *exportAuditEvents() {
      for (const sequence of [1, 2, 3]) yield auditEvent(sequence, world.hanaId);
    },
    stagePassword: async () => ({ passwordRef: newId() }),
    async stagePasswordChange({ accessToken, currentPassword }: StagePasswordChangeRequest) {
      known(accessToken);
      if (currentPassword !== 'correct horse') throw permissionDenied('CURRENT_PASSWORD_WRONG', 'the password is wrong');
      return { passwordRef: newId() };
    },
  };
}

/** Something that a member did. */
export const auditEvent = (sequence: number, actorId: string): AuditEvent => ({
  sequence,
  eventId: newId(),
  at: new Date(),
  action: 'member.update',
  outcome: 'DONE',
  count: undefined,
  actorId,
  resources: [{ type: 'Member', id: actorId }],
  sessionId: newId(),
  jobId: newId(),
  traceId: undefined,
  origin: { address: '192.0.2.1', client: 'test' },
  erased: false,
});

export function queryOf(world: State) {
  return {
    async getMember({ memberId, seen }: GetMemberRequest) {
      const member = world.members.get(memberId);
      if (!member || !sees(seen, memberId)) throw notFound('MEMBER_NOT_FOUND', 'there is no such member');
      return { member };
    },
    async listMembers({ pageSize, pageToken, seen }: ListMembersRequest) {
      noPageToken(pageToken);
      const all = [...world.members.values()].filter(({ memberId }) => sees(seen, memberId));
      return { members: all.slice(0, pageSize), nextPageToken: all.length > pageSize ? 'next' : '' };
    },
    async getRole(): Promise<never> {
      throw notFound('ROLE_NOT_FOUND', 'there is no such role');
    },
    async listRoles({ pageToken }: { pageToken: string }) {
      noPageToken(pageToken);
      return { roles: [], nextPageToken: '' };
    },
    async getPolicy(): Promise<never> {
      throw notFound('POLICY_NOT_FOUND', 'there is no such policy');
    },
    async listPolicies({ pageToken }: { pageToken: string }) {
      noPageToken(pageToken);
      return { policies: [], nextPageToken: '' };
    },
    ...groupQueriesOf(world),
    ...roomQueriesOf(world),
    getMemberSchema: async () => ({ schema: { type: 'object' }, version: 1, updatedAt: undefined }),
    async listLookalikes({ pageToken }: { pageToken: string }) {
      noPageToken(pageToken);
      const [one, other] = world.members.values();
      const looksLike = other ? [other] : [];
      return { lookalikes: one ? [{ member: one, looksLike }] : [], nextPageToken: '' };
    },
    awaitVersions: async () => ({}),
  };
}

/** In place of Temporal: carries a command out at once, in the maps. */
export function commandsOf(world: State): Commands {
  const finish = (jobId: string, change: Partial<Job>): void => {
    const job = world.jobs.get(jobId);
    if (job) Object.assign(job, change);
  };
  return {
    requireConnection() {
      if (world.next === 'disconnected') throw unavailable('TEMPORAL_UNAVAILABLE', 'commands cannot be taken at the moment');
    },
    async startCommand(start) {
      if (world.next === 'unavailable' || world.next === 'disconnected')
        throw unavailable('TEMPORAL_UNAVAILABLE', 'commands cannot be taken at the moment');
      // As with a workflow ID: starting twice is starting once.
      if (world.started.some(({ jobId }) => jobId === start.jobId)) return;
      world.started.push(start as CommandStart);
      if (world.next === 'running') return finish(start.jobId, { state: JobState.JOB_STATE_RUNNING });
      try {
        apply(world, start as CommandStart);
        const sums = start.command === 'group.add-members' ? { added: 1, already: 0, refused: 1 } : {};
        const resultJson = JSON.stringify({ id: start.aggregateId, ...sums });
        finish(start.jobId, { state: JobState.JOB_STATE_COMPLETED, resultJson });
      } catch (error) {
        const { code, message, fields, grpcStatus } = error as ReturnType<typeof notFound>;
        const failure = { code, message, errors: [...fields], grpcStatus: status[grpcStatus] };
        finish(start.jobId, { state: JobState.JOB_STATE_FAILED, error: failure });
      }
    },
    async cancelCommand(jobId) {
      const job = world.jobs.get(jobId);
      if (job?.state === JobState.JOB_STATE_QUEUED) return 'unknown';
      if (job?.state !== JobState.JOB_STATE_RUNNING) return 'too-late';
      finish(jobId, { state: JobState.JOB_STATE_CANCELLED });
      return 'accepted';
    },
  };
}

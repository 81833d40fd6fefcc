import { status } from '@grpc/grpc-js';
import {
  alreadyExists,
  failedPrecondition,
  invalidFields,
  notFound,
  permissionDenied,
  unauthenticated,
  unavailable,
} from '#platform/errors.ts';
import type { CallInfo, Handlers } from '#platform/grpc/server.ts';
import { newId } from '#platform/validation/id.ts';
import {
  type AuthenticateRequest,
  type AuthorizeRequest,
  AuthServiceService,
  type CheckRequest,
  type Resource,
} from '#proto/musubi/auth/v1/auth.ts';
import { type FinishJobRequest, type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import type { MemberView } from '#proto/musubi/query/v1/query.ts';
import type { CommandStart, Commands } from '../worker/client.ts';
import type { CommandInput } from '../workflows/commands.ts';
import type { World } from './gateway.fixture.ts';

// What stands behind the gateway in its tests, in place of the services' stores and of Temporal: a few maps.

type State = Omit<World, 'base' | 'gateway' | 'close'>;

const NOT_SUSPENDED = { status: 'ACTIVE', suspendedAt: undefined, suspensionReason: undefined };

export function view(memberId: string, profile: { loginId: string; displayName: string; email: string }): MemberView {
  const now = new Date();
  return { memberId, ...profile, ...NOT_SUSPENDED, roleIds: ['member'], createdAt: now, updatedAt: now, version: 1 };
}

function mayDo({ hanaId }: State, memberId: string, action: string, resource: Resource | undefined): boolean {
  const own = resource?.ownerId === memberId;
  const granted =
    ['member.read', 'member.list', 'auth.check', 'auth.logout'].includes(action) ||
    (own && !/delete|suspend|reinstate/.test(action));
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
      return { memberId, sessionId: 'session' };
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
    getJwks: async () => ({ jwksJson: '{"keys":[{"kty":"EC","kid":"1"}]}' }),
    async check({ accessToken, checks }: CheckRequest) {
      const memberId = known(accessToken);
      return { allowed: checks.map(({ action, resource }) => mayDo(world, memberId, action, resource)) };
    },
    stagePassword: async () => ({ passwordRef: newId() }),
  };
}

const keyReused = () =>
  failedPrecondition('IDEMPOTENCY_KEY_REUSED', 'used for another request', {
    fields: [{ field: 'idempotencyKey', code: 'TAKEN', message: 'was used for another request; use a new one' }],
  });

export function jobOf(world: State) {
  const keys = new Map<string, { fingerprint: string; jobId: string }>();
  const read = (jobId: string): Job => {
    const job = world.jobs.get(jobId);
    if (!job) throw notFound('JOB_NOT_FOUND', 'there is no such job');
    return job;
  };
  return {
    async issueJob(request: {
      command: string;
      memberId: string;
      aggregateId: string;
      idempotencyKey: string;
      fingerprint: string;
    }) {
      const { command, memberId, aggregateId, idempotencyKey, fingerprint } = request;
      const key = `${memberId} ${idempotencyKey}`;
      const known = idempotencyKey ? keys.get(key) : undefined;
      if (known && known.fingerprint !== fingerprint) throw keyReused();
      if (known) return { job: read(known.jobId), reused: true };
      const now = new Date();
      const job: Job = {
        jobId: newId(),
        command,
        state: JobState.JOB_STATE_QUEUED,
        progress: undefined,
        resultJson: '',
        error: undefined,
        memberId,
        aggregateId,
        createdAt: now,
        updatedAt: now,
        expiresAt: now,
        version: 1,
      };
      world.jobs.set(job.jobId, job);
      if (idempotencyKey) keys.set(key, { fingerprint, jobId: job.jobId });
      return { job, reused: false };
    },
    async findJob({ memberId, idempotencyKey, fingerprint }: { memberId: string; idempotencyKey: string; fingerprint: string }) {
      const known = keys.get(`${memberId} ${idempotencyKey}`);
      if (known && known.fingerprint !== fingerprint) throw keyReused();
      return { job: known && read(known.jobId) };
    },
    getJob: async ({ jobId }: { jobId: string }) => ({ job: read(jobId) }),
    async awaitJob({ jobId, waitMs }: { jobId: string; waitMs: number }, { signal }: CallInfo) {
      const deadline = Date.now() + waitMs;
      while (read(jobId).state === JobState.JOB_STATE_RUNNING && Date.now() < deadline && !signal.aborted)
        await new Promise((resolve) => setTimeout(resolve, 20));
      return { job: read(jobId) };
    },
    async listJobs({ memberId, pageToken }: { memberId: string; pageToken: string }) {
      noPageToken(pageToken);
      return { jobs: [...world.jobs.values()].filter((job) => job.memberId === memberId), nextPageToken: '' };
    },
    listUnfinishedJobs: async () => ({ jobs: [], nextPageToken: '' }),
    reportProgress: async () => ({}),
    async finishJob({ jobId, state, error, progress }: FinishJobRequest) {
      Object.assign(read(jobId), { state, error, progress });
      return {};
    },
  };
}

/** No list of the fixture has a second page. */
function noPageToken(pageToken: string): void {
  const fields = [{ field: 'pageToken', code: 'INVALID', message: 'must be the nextPageToken of a page' }] as const;
  if (pageToken !== '') throw invalidFields(fields, 'PAGE_TOKEN_INVALID');
}

export function queryOf(world: State) {
  return {
    async getMember({ memberId }: { memberId: string }) {
      const member = world.members.get(memberId);
      if (!member) throw notFound('MEMBER_NOT_FOUND', 'there is no such member');
      return { member };
    },
    async listMembers({ pageSize, pageToken }: { pageSize: number; pageToken: string }) {
      noPageToken(pageToken);
      const nextPageToken = world.members.size > pageSize ? 'next' : '';
      return { members: [...world.members.values()].slice(0, pageSize), nextPageToken };
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
        finish(start.jobId, { state: JobState.JOB_STATE_COMPLETED, resultJson: JSON.stringify({ id: start.aggregateId }) });
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

function apply({ members }: State, { command, input }: CommandStart): void {
  const member = members.get(input.memberId);
  if ('passwordRef' in input) {
    const { memberId, loginId, displayName, email } = input;
    if ([...members.values()].some((other) => other.loginId === loginId)) {
      throw alreadyExists('LOGIN_TAKEN', 'taken', { fields: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }] });
    }
    members.set(memberId, view(memberId, { loginId, displayName, email }));
    return;
  }
  if (!member) throw notFound('MEMBER_NOT_FOUND', 'there is no such member');
  if (input.expectedVersion !== undefined && input.expectedVersion !== member.version) {
    throw failedPrecondition('VERSION_MISMATCH', 'changed since');
  }
  if (command === 'member.suspend') {
    const { reason: suspensionReason } = input as CommandInput<'member.suspend'>;
    const suspension = { status: 'SUSPENDED', suspendedAt: new Date(), suspensionReason };
    members.set(input.memberId, { ...member, ...suspension, version: member.version + 1 });
  } else if (command === 'member.reinstate') {
    members.set(input.memberId, { ...member, ...NOT_SUSPENDED, version: member.version + 1 });
  } else if ('changes' in input) members.set(input.memberId, { ...member, ...input.changes, version: member.version + 1 });
  else if (command === 'member.delete') members.delete(input.memberId);
}

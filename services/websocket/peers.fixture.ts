import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { MusubiError, notFound, permissionDenied, unauthenticated, unavailable } from '#platform/errors.ts';
import { lettingTestsIn } from '#platform/grpc/callers.fixture.ts';
import { type Handlers, serveGrpc } from '#platform/grpc/server.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { ChatServiceService, type Message, type PostMessageRequest } from '#proto/musubi/chat/v1/chat.ts';
import { type Job as JobMessage, JobServiceService } from '#proto/musubi/job/v1/job.ts';

/** The time of this host, also where a test has shifted the clock of the process. */
const trueTime = Date.now.bind(Date);

/** What Auth, Job and Chat answer in a test. */
export interface World {
  /** By token; `expiresAt` in seconds by the host's true time. */
  tokens: Map<string, { memberId: string; expiresAt: number }>;
  /** How far Auth's clock is ahead, ms. */
  authIsAheadMs: number;
  revoked: Set<string>;
  /** How often Auth was asked about a token. */
  asked: Map<string, number>;
  jobs: Map<string, JobMessage>;
  /** Members who may read everybody's jobs. */
  readers: Set<string>;
  /** What members may do in groups: `member action group`. */
  granted: Set<string>;
  /** What members may not do to members, themselves or others, in the same way: anything else they may. */
  withheld: Set<string>;
  /** By group, of what it was that Auth's answers go by; default: of nothing that has changed. */
  stamps: Map<string, string>;
  /** The groups below others. */
  below: Map<string, string[]>;
  authIsAway: boolean;
  /** The versions of places in rooms: by `member room`. */
  places: Map<string, number>;
  chatIsAway: boolean;
  /** What was said, in the order in which Chat was asked. */
  posted: PostMessageRequest[];
  /** What Chat does before it answers what was said. */
  beforePosted: () => Promise<void>;
  /** What Auth and Job do before they answer who a token is of, what it may do, and what a job is. */
  before: Record<'auth' | 'authorize' | 'job', () => Promise<void>>;
  /** What Auth does between what it has decided on one thing, and its answer. */
  decided: () => Promise<void>;
  /** The same of many things at once. */
  decidedMany: () => Promise<void>;
  /** How often Auth was asked about things, one by one and many at once. */
  decisions: { one: number; many: number };
  /** How often Job was asked for a job. */
  jobsAsked: number;
}

/** Auth and Job answer at once. */
export const atOnce = (): World['before'] => {
  const now = async (): Promise<void> => undefined;
  return { auth: now, authorize: now, job: now };
};

export const newWorld = (): World => ({
  tokens: new Map(),
  revoked: new Set(),
  asked: new Map(),
  jobs: new Map(),
  readers: new Set(),
  granted: new Set(),
  withheld: new Set(),
  stamps: new Map(),
  below: new Map(),
  authIsAway: false,
  places: new Map(),
  chatIsAway: false,
  posted: [],
  beforePosted: async () => undefined,
  authIsAheadMs: 0,
  before: atOnce(),
  jobsAsked: 0,
  decided: async () => undefined,
  decidedMany: async () => undefined,
  decisions: { one: 0, many: 0 },
});

/** What may be done to a group that is gone is said of this ID. */
export const goneId = (groupId: string, from: string): string => `${groupId} gone from ${from}`;

/** A token that Auth accepts. */
export function newToken({ tokens }: World, memberId: string, seconds = 300): string {
  const token = randomUUID();
  tokens.set(token, { memberId, expiresAt: trueTime() / 1_000 + seconds });
  return token;
}

/**
 * Auth, Job and Chat as real gRPC servers that answer what the test says: the real ones can't be made to
 * expire, revoke or be away at the moment that a test needs. test/ has the whole system.
 */
export async function servePeers(
  world: World,
  lifecycle: Lifecycle,
  log: Logger,
): Promise<{ auth: string; job: string; chat: string }> {
  const at = { listen: { host: '127.0.0.1', port: 0 }, log, lifecycle };
  const memberOf = (token: string): string => world.tokens.get(token)?.memberId ?? '';
  const mayDo = (
    memberId: string,
    action: string,
    { type, id = '', ownerId }: { type?: string; id?: string; ownerId?: string } = {},
  ): boolean => {
    const asked = `${memberId} ${action} ${id}`;
    if (action === 'job.read') return ownerId === memberId || world.readers.has(memberId);
    return type === 'Member' ? !world.withheld.has(asked) : world.granted.has(asked);
  };
  const auth: Partial<Handlers<AuthServiceService>> = {
    async authenticate({ accessToken }) {
      world.asked.set(accessToken, (world.asked.get(accessToken) ?? 0) + 1);
      await world.before.auth();
      if (world.authIsAway) throw unavailable('STORE_UNAVAILABLE', 'the store is away');
      const known = world.tokens.get(accessToken);
      if (!known) throw unauthenticated('TOKEN_INVALID', 'the token is not one of ours');
      const left = known.expiresAt - trueTime() / 1_000;
      if (left < 0) throw unauthenticated('TOKEN_EXPIRED', 'the token has expired');
      if (world.revoked.has(accessToken)) throw unauthenticated('SESSION_REVOKED', 'the session was ended');
      const expiresAt = Math.round(known.expiresAt + world.authIsAheadMs / 1_000);
      return { memberId: known.memberId, sessionId: 's', expiresAt, expiresIn: Math.ceil(left) };
    },
    async authorize({ accessToken, action, resource }) {
      world.decisions.one++;
      await world.before.authorize();
      const memberId = memberOf(accessToken);
      const allowed = mayDo(memberId, action, resource);
      await world.decided();
      if (allowed) return { memberId, sessionId: 's' };
      throw permissionDenied('PERMISSION_DENIED', 'not allowed');
    },
    async check({ accessToken, checks, stamped }) {
      world.decisions.many++;
      if (world.authIsAway) throw unavailable('STORE_UNAVAILABLE', 'the store is away');
      const memberId = memberOf(accessToken);
      const allowed = checks.map(({ action, resource, goneFrom }) =>
        mayDo(memberId, action, resource && goneFrom ? { ...resource, id: goneId(resource.id, goneFrom) } : resource),
      );
      const stamps = stamped ? checks.map(({ resource }) => world.stamps.get(resource?.id ?? '') ?? '') : [];
      await world.decidedMany();
      return { allowed, stamps };
    },
    async listGroupsBelow({ groupId, afterId }) {
      if (world.authIsAway) throw unavailable('STORE_UNAVAILABLE', 'the store is away');
      // Two at once.
      const below = (world.below.get(groupId) ?? []).toSorted().filter((id) => id > afterId);
      return { groupIds: below.slice(0, 2), parentId: 'root' };
    },
  };
  const job: Partial<Handlers<JobServiceService>> = {
    async getJob({ jobId }) {
      world.jobsAsked++;
      await world.before.job();
      const known = world.jobs.get(jobId);
      if (!known) throw notFound('JOB_NOT_FOUND', 'there is no such job');
      return { job: known };
    },
  };
  const chat: Partial<Handlers<ChatServiceService>> = {
    async listPlaces({ memberId, roomIds }) {
      if (world.chatIsAway) throw unavailable('STORE_UNAVAILABLE', 'the store is away');
      const places = roomIds.flatMap((roomId) => {
        const version = world.places.get(`${memberId} ${roomId}`);
        return version === undefined ? [] : [{ roomId, version }];
      });
      return { places };
    },
    async postMessage(request) {
      if (world.chatIsAway) throw unavailable('STORE_UNAVAILABLE', 'the store is away');
      const { roomId, memberId, messageId, text, replyToId } = request;
      if (!world.places.has(`${memberId} ${roomId}`)) throw notFound('ROOM_NOT_FOUND', 'there is no such room');
      if (!world.posted.some((one) => one.messageId === messageId)) world.posted.push(request);
      await world.beforePosted();
      const sequence = world.posted.findIndex((one) => one.messageId === messageId) + 1;
      return { message: newMessage({ roomId, memberId, messageId, text, replyToId, sequence }) };
    },
    async markRead({ roomId, memberId, sequence }) {
      if (!world.places.has(`${memberId} ${roomId}`)) throw notFound('ROOM_NOT_FOUND', 'there is no such room');
      return { sequence, unread: 0 };
    },
  };
  return {
    chat: `127.0.0.1:${await serveGrpc({ ...at, callers: lettingTestsIn('chat') }, ChatServiceService, withRest(ChatServiceService, chat) as Handlers<ChatServiceService>)}`,
    auth: `127.0.0.1:${await serveGrpc({ ...at, callers: lettingTestsIn('auth') }, AuthServiceService, withRest(AuthServiceService, auth) as Handlers<AuthServiceService>)}`,
    job: `127.0.0.1:${await serveGrpc({ ...at, callers: lettingTestsIn('job') }, JobServiceService, withRest(JobServiceService, job) as Handlers<JobServiceService>)}`,
  };
}

/** A message as Chat has it. */
export const newMessage = (given: Partial<Message>): Message => ({
  ...{ messageId: randomUUID(), roomId: randomUUID(), sequence: 1, memberId: randomUUID(), text: 'Hello', replyToId: undefined },
  ...{ reactions: [], createdAt: new Date(1_790_000_000_000), editedAt: undefined, deletedAt: undefined, version: 1 },
  ...given,
});

function withRest(definition: object, handlers: object): object {
  const unimplemented = async (): Promise<never> => {
    throw new MusubiError(status.UNIMPLEMENTED, 'INTERNAL', 'this test needs it not');
  };
  return { ...Object.fromEntries(Object.keys(definition).map((method) => [method, unimplemented])), ...handlers };
}

import { randomUUID } from 'node:crypto';
import { byTests } from '#platform/grpc/callers.fixture.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import type { HttpLimits } from '#platform/http/server.ts';
import { kafkaClient } from '#platform/kafka/client.ts';
import { deadLetterTopic } from '#platform/kafka/dead-letter.ts';
import { openPublisher, type Publisher } from '#platform/kafka/publish.ts';
import { subscribe } from '#platform/kafka/subscribe.ts';
import { type OutboxEvent, toRecord } from '#platform/outbox/event.ts';
import { Secret } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { openRedis, type Redis } from '#platform/redis/client.ts';
import { until } from '#platform/until.fixture.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { ChatServiceService } from '#proto/musubi/chat/v1/chat.ts';
import { JobEvent, type Job as JobMessage, JobServiceService, JobState } from '#proto/musubi/job/v1/job.ts';
import { LIMITS, type Limits } from './domain.ts';
import { Hub } from './hub.ts';
import { deliverJobEvents } from './job-events.ts';
import { newToken, newWorld, servePeers, type World } from './peers.fixture.ts';
import { topicHandlers } from './readers.ts';
import { serveSockets } from './server.ts';
import { type SocketStore, socketStore } from './store.ts';
import { GROUP_ACTIONS } from './things.ts';

const log = createLogger('websocket', 'fatal');

/** Where the real servers are: MUSUBI_REDIS_URL, MUSUBI_KAFKA_BROKERS (only for those who use Kafka). */
export interface Servers {
  redis: string | undefined;
  kafka?: string | undefined;
}

export interface InstanceOptions {
  limits?: Partial<Limits>;
  leaseMs?: number;
  http?: Partial<HttpLimits>;
  /** Where it looks for Auth and Job, in place of those of the test. */
  peersAt?: { auth?: string; job?: string };
  /** Whose pages may open sockets. */
  origins?: string[];
  /** Consumes the topics of this test, as a member of one group. */
  kafka?: boolean;
}

/** An instance of the service. */
export interface TestInstance {
  url: string;
  http: string;
  hub: Hub;
  lifecycle: Lifecycle;
}

/** The WebSocket service of one test file, on keys and a topic of its own. */
export interface TestSockets extends World {
  prefix: string;
  redis: Redis;
  store: SocketStore;
  instance(options?: InstanceOptions): Promise<TestInstance>;
  /** A token that Auth accepts. */
  token(memberId: string, seconds?: number): string;
  /** A job that Job knows, in the state given. */
  job(memberId: string, state?: JobState): JobMessage;
  /** A member's events after a cursor, in order. */
  entries(memberId: string, after?: string): Promise<{ cursor: string; traceparent: string }[]>;
  /** How many sockets the store knows of a member. */
  registered(memberId: string): Promise<number>;
  /** Delivers the events of jobs as the consumer does, without Kafka. */
  deliver(...jobs: JobMessage[]): Promise<void>;
  /** Allows a member something in a group, so that {@link World.granted} has it. Default: all that a subscriber may see. */
  allow(memberId: string, groupId: string, ...actions: Action[]): void;
  /** The same, taken away. */
  forbid(memberId: string, groupId: string, ...actions: Action[]): void;
  /** Delivers events about groups as the consumer does, without Kafka. */
  say(...events: OutboxEvent[]): Promise<void>;
  /** Publishes the events of jobs on Kafka. */
  publish(...jobs: JobMessage[]): Promise<void>;
  /** Publishes events of Auth and of Job on Kafka. */
  publishEvents(...events: OutboxEvent[]): Promise<void>;
  /** How many messages the group of this test has parked. */
  parked(): Promise<number>;
  close(): Promise<void>;
}

export const KEPT = { ms: 60_000, events: 200 };

export async function openTestSockets(servers: Servers): Promise<TestSockets> {
  if (!servers.redis) throw new Error('MUSUBI_REDIS_URL is not set: `npm test` sets it, or give the URL of a Redis server');
  const url = new Secret(servers.redis);
  const name = `test-socket-${randomUUID().slice(0, 8)}`;
  const prefix = `${name}:`;
  const brokers = servers.kafka?.split(',') ?? [];
  const lifecycles: Lifecycle[] = [];
  const open = (): Lifecycle => {
    const lifecycle = new Lifecycle(log, 10_000);
    lifecycles.push(lifecycle);
    return lifecycle;
  };
  const world = newWorld();
  const peersAt = await servePeers(world, open(), log);
  const redis = await openRedis({ url, log, lifecycle: open() });
  const store = socketStore(redis, KEPT, prefix);
  const auth = connectPeer(peersAt.auth, AuthServiceService, open(), byTests('auth'));
  let publisher: Promise<Publisher> | undefined;
  const publishing = (): Promise<Publisher> => {
    if (brokers.length === 0)
      throw new Error('MUSUBI_KAFKA_BROKERS is not set: `npm test` sets it, or give the brokers of a Kafka');
    publisher ??= openPublisher('test', { brokers, clientId: name, log, partitions: 2 });
    return publisher;
  };

  const ownType = (aggregateType: string) => `${name}-${aggregateType}`;
  const publishEvents = async (...events: OutboxEvent[]): Promise<void> => {
    const records = events.map((event) => toRecord({ ...event, aggregateType: ownType(event.aggregateType) }));
    await (await publishing()).publish(records);
  };

  return Object.assign(world, {
    prefix,
    redis,
    store,

    async instance({
      limits = {},
      leaseMs,
      http,
      peersAt: elsewhere,
      origins = [],
      kafka = false,
    }: InstanceOptions = {}): Promise<TestInstance> {
      const lifecycle = open();
      const own = socketStore(await openRedis({ url, log, lifecycle }), KEPT, prefix);
      const hub = new Hub(own, log, leaseMs);
      await hub.start({ url, prefix, lifecycle });
      const peers = {
        auth: connectPeer(elsewhere?.auth ?? peersAt.auth, AuthServiceService, lifecycle, byTests('auth')),
        job: connectPeer(elsewhere?.job ?? peersAt.job, JobServiceService, lifecycle, byTests('job')),
        chat: connectPeer(peersAt.chat, ChatServiceService, lifecycle, byTests('chat')),
      };
      const context = { store: own, hub, peers, limits: { ...LIMITS, ...limits }, keptMs: KEPT.ms, log };
      const listen = { host: '127.0.0.1', port: 0 };
      const port = await serveSockets({ listen, origins: new Set(origins), context, log, lifecycle, limits: http });
      if (kafka) {
        const ours = Object.entries(topicHandlers(own, peers.auth)).map(([topic, handle]) => [ownType(topic), handle] as const);
        const handlers = Object.fromEntries(ours);
        subscribe({ brokers, group: name, handlers, log, lifecycle, partitions: 2 });
      }
      lifecycle.markStarted();
      await until(async () => Object.keys(await lifecycle.degraded()).length === 0);
      return { url: `ws://127.0.0.1:${port}/v1/events`, http: `http://127.0.0.1:${port}`, hub, lifecycle };
    },

    token: (memberId: string, seconds?: number) => newToken(world, memberId, seconds),

    job(memberId: string, state: JobState = JobState.JOB_STATE_COMPLETED): JobMessage {
      const job = newJob(memberId, state);
      world.jobs.set(job.jobId, job);
      return job;
    },

    entries: async (memberId: string, after = '0-0') => {
      const found = await redis.xrange(`${prefix}ws:events:${memberId}`, `(${after}`, '+');
      return found.map(([cursor, fields]) => ({ cursor, traceparent: fields[fields.indexOf('traceparent') + 1] ?? '' }));
    },

    registered: (memberId: string) => redis.hlen(`${prefix}ws:sockets:${memberId}`),

    deliver: (...jobs: JobMessage[]) =>
      deliverJobEvents(
        store,
        jobs.map((job) => ({
          topic: 'job.events',
          partition: 0,
          offset: '0',
          id: randomUUID(),
          type: 'job.completed',
          source: '/musubi/job',
          time: new Date(),
          subject: job.jobId,
          version: job.version,
          data: JobEvent.toJSON({ job }),
        })),
      ),

    allow(memberId: string, groupId: string, ...actions: Action[]) {
      for (const action of actions.length > 0 ? actions : GROUP_ACTIONS) world.granted.add(`${memberId} ${action} ${groupId}`);
    },
    forbid(memberId: string, groupId: string, ...actions: Action[]) {
      for (const action of actions.length > 0 ? actions : GROUP_ACTIONS) world.granted.delete(`${memberId} ${action} ${groupId}`);
    },

    async say(...events: OutboxEvent[]) {
      const messages = events.map(({ aggregateType, aggregateId, version, type, payload }) => ({
        topic: `${aggregateType}.events`,
        partition: 0,
        offset: '0',
        id: randomUUID(),
        type,
        source: '/musubi/group',
        time: new Date(),
        subject: aggregateId,
        version,
        data: payload,
      }));
      const handlers = topicHandlers(store, auth);
      for (const [topic, its] of Map.groupBy(messages, (message) => message.topic)) await handlers[topic]?.(its);
    },

    publish: (...jobs: JobMessage[]) =>
      publishEvents(
        ...jobs.map((job) => ({
          aggregateType: 'job',
          aggregateId: job.jobId,
          version: job.version,
          type: 'job.completed',
          payload: JobEvent.toJSON({ job }),
        })),
      ),

    publishEvents,

    async parked() {
      const admin = kafkaClient({ brokers, clientId: name, log }).admin();
      await admin.connect();
      const partitions = await admin.fetchTopicOffsets(deadLetterTopic(name));
      await admin.disconnect();
      return partitions.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
    },

    async close(): Promise<void> {
      await (await publisher)?.close();
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length > 0) await redis.del(...keys);
      await Promise.all(lifecycles.map((lifecycle) => lifecycle.stop('end of the test')));
    },
  });
}

function newJob(memberId: string, state: JobState): JobMessage {
  const now = new Date();
  return {
    jobId: randomUUID(),
    command: 'member.update',
    state,
    progress: { done: 3, total: 3, step: '' },
    resultJson: state === JobState.JOB_STATE_COMPLETED ? '{"id":"結び"}' : '',
    error:
      state === JobState.JOB_STATE_FAILED
        ? { code: 'LOGIN_TAKEN', message: 'taken', errors: [], grpcStatus: 'ALREADY_EXISTS' }
        : undefined,
    memberId,
    aggregateId: randomUUID(),
    createdAt: now,
    updatedAt: now,
    expiresAt: new Date(now.getTime() + 86_400_000),
    version: 3,
  };
}

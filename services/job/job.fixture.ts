import { randomUUID } from 'node:crypto';
import { byTests, lettingTestsIn } from '#platform/grpc/callers.fixture.ts';
import { connectPeer, type Peer } from '#platform/grpc/client.ts';
import { serveGrpc } from '#platform/grpc/server.ts';
import { Secret } from '#platform/process/config.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { openRedis, type Redis } from '#platform/redis/client.ts';
import { until } from '#platform/until.fixture.ts';
import {
  type FinishJobRequest,
  type JobError,
  JobServiceService,
  JobState,
  type ReportProgressRequest,
} from '#proto/musubi/job/v1/job.ts';
import type { Limits, Retention } from './domain.ts';
import { type Finished, listenForFinished } from './finished.ts';
import { jobHandlers } from './grpc.ts';
import { type JobStore, jobStore } from './store.ts';

/** The Job service of one test file, on keys of its own in a real Redis. */
export interface TestJobs {
  prefix: string;
  redis: Redis;
  store: JobStore;
  /** Starts another process's worth of the service, by gRPC. */
  instance(options?: { retention?: Retention; limits?: Partial<Limits>; url?: string }): Promise<TestInstance>;
  /** The entries of the outbox, oldest first. */
  events(jobId?: string): Promise<{ type: string; version: number; payload: { job: Record<string, unknown> } }[]>;
  close(): Promise<void>;
}

export interface TestInstance {
  peer: Peer<JobServiceService>;
  lifecycle: Lifecycle;
  finished: Finished;
  /** Resolves once somebody awaits the job at this instance, and found that it is not final. */
  awaited(jobId: string): Promise<void>;
}

export const RETENTION: Retention = { activeMs: 600_000, finishedMs: 60_000 };
/** More than any test has under way, or issues, but those of the bounds themselves. */
const LIMITS: Limits = {
  places: { perMember: 10_000, perAggregate: 10_000 },
  rate: { burst: 10_000, everySeconds: 1 },
};
const log = createLogger('job', 'fatal');

/** @param url MUSUBI_REDIS_URL */
export async function openTestJobs(url: string | undefined): Promise<TestJobs> {
  if (!url) throw new Error('MUSUBI_REDIS_URL is not set: `npm test` sets it, or give the URL of a Redis server');
  const prefix = `test-job-${randomUUID().slice(0, 8)}:`;
  const lifecycles: Lifecycle[] = [];
  const open = (): Lifecycle => {
    const lifecycle = new Lifecycle(log, 5_000);
    lifecycles.push(lifecycle);
    return lifecycle;
  };
  const redis = await openRedis({ url: new Secret(url), log, lifecycle: open() });
  return {
    prefix,
    redis,
    store: jobStore(redis, LIMITS, prefix),

    async instance(options = {}) {
      const lifecycle = open();
      const at = { url: new Secret(options.url ?? url), log, lifecycle };
      const store = jobStore(await openRedis(at), { ...LIMITS, ...options.limits }, prefix);
      const finished = await listenForFinished({ ...at, prefix });
      const handlers = jobHandlers({ store, finished, retention: options.retention ?? RETENTION, log });
      const port = await serveGrpc(
        { listen: { host: '127.0.0.1', port: 0 }, callers: lettingTestsIn('job'), log, lifecycle },
        JobServiceService,
        handlers,
      );
      const peer = connectPeer(`127.0.0.1:${port}`, JobServiceService, lifecycle, byTests('job'));
      const awaited = async (jobId: string): Promise<void> => {
        await until(() => finished.watched(jobId));
        // Redis answers in order: the look of whoever watches was before this one.
        await store.read(jobId);
      };
      return { peer, lifecycle, finished, awaited };
    },

    async events(jobId) {
      const entries = await redis.xrange(`${prefix}outbox:job`, '-', '+');
      return entries
        .map(([, fields]) => Object.fromEntries(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? '']] : []))))
        .filter((entry) => jobId === undefined || entry.aggregateid === jobId)
        .map((entry) => ({ type: entry.type ?? '', version: Number(entry.version), payload: JSON.parse(entry.payload ?? '{}') }));
    },

    async close() {
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length > 0) await redis.del(...keys);
      await Promise.all(lifecycles.map((lifecycle) => lifecycle.stop('end of the test')));
    },
  };
}

/** A member that nobody else uses. */
export const someMember = (): string => randomUUID();

/** What a gateway asks for. */
export const asking = (
  memberId: string,
  more: { command?: string; aggregateId?: string; idempotencyKey?: string; fingerprint?: string } = {},
) => ({
  command: 'member.register',
  memberId,
  aggregateId: randomUUID(),
  idempotencyKey: '',
  fingerprint: 'a',
  ...more,
});

export const reporting = (jobId: string, done: number, more: Partial<ReportProgressRequest> = {}): ReportProgressRequest => ({
  jobId,
  state: JobState.JOB_STATE_RUNNING,
  progress: { done, total: 5, step: `step ${done}` },
  error: undefined,
  ...more,
});

export const finishing = (jobId: string, state: JobState, more: Partial<FinishJobRequest> = {}): FinishJobRequest => ({
  jobId,
  state,
  resultJson: '',
  error: state === JobState.JOB_STATE_FAILED ? TAKEN : undefined,
  progress: { done: 5, total: 5, step: 'ended' },
  ...more,
});

export const TAKEN: JobError = {
  code: 'LOGIN_TAKEN',
  message: 'the login is taken',
  errors: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }],
  grpcStatus: 'ALREADY_EXISTS',
};

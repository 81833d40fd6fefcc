import { readFileSync } from 'node:fs';
import { callerGone } from '#platform/errors.ts';
import { type OutboxEvent, toRecord } from '#platform/outbox/event.ts';
import { EMIT_LUA, outboxStream } from '#platform/outbox/redis-outbox.ts';
import { guarded, type Redis } from '#platform/redis/client.ts';
import { SYSTEM } from '#platform/validation/id.ts';
import type { EventOf } from '../catalogue.ts';
import { isFinal, isUnderWay, JOB_STATES, type Job, type JobError, type JobState, type Limits, PLACE_HELD_MS } from './domain.ts';
import { progressOf, toEventPayload } from './wire.ts';

/** What became of a write; only `written` changed anything. */
type Written =
  | { outcome: 'written' }
  /** Another changed the job since it was read (or issued it already). */
  | { outcome: 'stale' }
  /** The member used this idempotency key for the same request: that job. */
  | { outcome: 'reused'; jobId: string }
  /** The member used this idempotency key for another request. */
  | { outcome: 'conflict' }
  /** A new job, but all its member's places are taken, or all of those on its aggregate. */
  | { outcome: 'member full' | 'aggregate full' }
  /** A new job, but its member has issued too many of late. */
  | { outcome: 'too fast'; waitMs: number };

/** Where in a list of jobs a page ended. */
export interface Position {
  /** What the list is ordered by: the time of a job's issue, or of its last change. */
  at: number;
  id: string;
}

/** `next` is absent at the end of the list. */
export interface Page {
  jobs: Job[];
  next?: Position;
}

export interface Filter {
  state: JobState | undefined;
  command: string | undefined;
}

/** The jobs, in Redis. What is expired is not there. Everything fails with UNAVAILABLE while Redis is away. */
export interface JobStore {
  /** The store's clock, ms: the only one that a job's times are of, whichever host writes them. */
  now(): Promise<number>;
  read(id: string): Promise<Job | undefined>;
  /** Whose these jobs are; those that are not there are absent. */
  owners(ids: readonly string[]): Promise<Map<string, string>>;
  /** What a member's idempotency key was used for; undefined: nothing. */
  keyUse(memberId: string, key: string): Promise<{ jobId: string; fingerprint: string } | undefined>;
  /**
   * Writes a job that was computed from version `job.version - 1`, with its index, its idempotency
   * key, its place, its event and its wake-up, in one script.
   *
   * @param before the version that it was computed from, if another; 0: there is none
   * @param cost as how many new jobs it counts, where it is one
   */
  write(job: Job, before?: number, cost?: number): Promise<Written>;
  /**
   * A member's jobs after `after`, newest first: `limit` at most, fewer when so many did not match
   * that looking on would take too long.
   *
   * @throws CALLER_GONE between two looks once the signal has aborted
   */
  list(memberId: string, filter: Filter, after: Position | undefined, limit: number, signal?: AbortSignal): Promise<Page>;
  /** Everybody's jobs after `after` that are not final and were changed last before that time, those first that wait longest. */
  unfinished(changedBefore: number, after: Position | undefined, limit: number): Promise<Page>;
}

interface Scripts {
  writeJob(...countKeysAndArguments: (string | number)[]): Promise<[string, string?]>;
}

/** The most index entries that one page looks at. */
const SCAN_LIMIT = 1_000;
const SCAN_STEP = 100;

/** The events that are published, by the state that makes them. */
const EVENTS: Partial<Record<JobState, EventOf<'job'>>> = {
  applied: 'job.applied',
  completed: 'job.completed',
  failed: 'job.failed',
  cancelled: 'job.cancelled',
};

/** Of what the system itself begins, as many may be under way, and come at once, as there are: all terms of a year may end at one moment. */
const UNBOUNDED = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 1e9] as const;

/** The channel that has the IDs of jobs that became final, for those who await one. */
export const finishedChannel = (prefix: string): string => `${prefix}job:finished`;

/**
 * @param limits how many jobs may be under way, and how many may be issued over time
 * @param prefix goes before every key and channel, so that several can live in one Redis (tests). All
 *   keys of one write must be on one node: on a cluster give a hash tag, `{job}`.
 */
export function jobStore(redis: Redis, { places, rate }: Limits, prefix = ''): JobStore {
  const lua = EMIT_LUA + readFileSync(new URL('lua/write.lua', import.meta.url), 'utf8');
  redis.defineCommand('writeJob', { lua });
  const scripts = redis as unknown as Scripts;

  const jobKey = (id: string): string => `${prefix}job:${id}`;
  const byCreationKey = (memberId: string): string => `${prefix}job:member:${memberId}`;
  const byExpiryKey = (memberId: string): string => `${prefix}job:member-expiry:${memberId}`;
  const keyOf = (memberId: string, key: string): string => `${prefix}job:key:${memberId}:${key}`;
  const underWayKey = (memberId: string): string => `${prefix}job:under-way:${memberId}`;
  const unfinishedKey = `${prefix}job:unfinished`;
  const outboxKey = prefix + outboxStream('job');

  /** Of jobs that are not wanted, no more is read than what shows that. */
  const matchingOf = async (found: Position[], { state, command }: Filter): Promise<Position[]> => {
    const read = await Promise.all(found.map(({ id }) => redis.hmget(jobKey(id), 'state', 'command')));
    return found.filter((_, index) => {
      const [itsState, itsCommand] = read[index] ?? [];
      return itsState && (!state || itsState === state) && (!command || itsCommand === command);
    });
  };

  return {
    now: () =>
      guarded(async () => {
        const [seconds, microseconds] = await redis.time();
        return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
      }),

    read: (id) => guarded(async () => fromHash(id, await redis.hgetall(jobKey(id)))),

    owners: (ids) =>
      guarded(async () => {
        const read = await Promise.all(ids.map(async (id) => [id, await redis.hget(jobKey(id), 'memberId')] as const));
        return new Map(read.filter((one): one is [string, string] => one[1] !== null));
      }),

    keyUse: (memberId, key) =>
      guarded(async () => {
        const [jobId, fingerprint] = await redis.hmget(keyOf(memberId, key), 'job', 'fingerprint');
        return jobId ? { jobId, fingerprint: fingerprint ?? '' } : undefined;
      }),

    write: (job, before = job.version - 1, cost = 1) =>
      guarded(async () => {
        const type = EVENTS[job.state];
        const keys = [
          jobKey(job.id),
          byCreationKey(job.memberId),
          byExpiryKey(job.memberId),
          outboxKey,
          underWayKey(job.memberId),
          `${underWayKey(job.memberId)}:${job.aggregateId}`,
          `${prefix}job:rate:${job.memberId}`,
          unfinishedKey,
          ...(job.idempotencyKey ? [keyOf(job.memberId, job.idempotencyKey)] : []),
        ];
        const [outcome, more = ''] = await scripts.writeJob(
          keys.length,
          ...keys,
          job.id,
          before,
          job.createdAt,
          job.expiresAt,
          JSON.stringify(toHash(job)),
          type
            ? emitArguments(
                {
                  aggregateType: 'job',
                  aggregateId: job.id,
                  version: job.version,
                  type,
                  payload: toEventPayload(job),
                },
                job.updatedAt,
              )
            : '',
          isFinal(job.state) ? finishedChannel(prefix) : '',
          jobKey(''),
          job.fingerprint,
          isUnderWay(job.state) ? PLACE_HELD_MS : '',
          ...(job.memberId === SYSTEM ? UNBOUNDED : [places.perMember, places.perAggregate, rate.burst]),
          Math.ceil(rate.everySeconds * 1_000),
          isFinal(job.state) ? '' : job.updatedAt,
          cost,
        );
        switch (outcome) {
          case 'written':
          case 'stale':
          case 'conflict':
          case 'member full':
          case 'aggregate full':
            return { outcome };
          case 'reused':
            return { outcome, jobId: more };
          case 'too fast':
            return { outcome, waitMs: Number(more) };
          default:
            throw new Error(`write.lua answered ${outcome}`);
        }
      }),

    list: (memberId, filter, after, limit, signal) =>
      guarded(async () => {
        const filtered = filter.state !== undefined || filter.command !== undefined;
        const jobs: Job[] = [];
        let last = after;
        // Without a filter the first look most often finds the page, and one more, which shows that there is a next one.
        let step = filtered ? SCAN_STEP : limit + 1;
        for (let offset = 0; offset < SCAN_LIMIT; offset += step, step = Math.max(step, Math.min(2 * step, SCAN_STEP))) {
          if (signal?.aborted) throw callerGone();
          const found = await redis.zrevrangebyscore(
            byCreationKey(memberId),
            after?.at ?? '+inf',
            '-inf',
            'WITHSCORES',
            'LIMIT',
            offset,
            step,
          );
          const entries = positions(found);
          // Jobs of the same millisecond come in descending order of their IDs.
          const here = entries.filter(({ at, id }) => !after || at < after.at || id < after.id);
          const matching = filtered ? await matchingOf(here, filter) : here;
          const wanted = matching.slice(0, limit + 1 - jobs.length);
          const hashes = await Promise.all(wanted.map(({ id }) => redis.hgetall(jobKey(id))));
          for (const [index, position] of wanted.entries()) {
            const job = fromHash(position.id, hashes[index] ?? {});
            if (job && jobs.length === limit) return last ? { jobs, next: last } : { jobs };
            if (job) jobs.push(job);
            last = position;
          }
          // One of them has expired since the look: the next page goes on behind it.
          if (matching.length > wanted.length) return last ? { jobs, next: last } : { jobs };
          if (entries.length < step) return { jobs };
          last = here.at(-1) ?? last;
        }
        return last ? { jobs, next: last } : { jobs };
      }),

    unfinished: (changedBefore, after, limit) =>
      guarded(async () => {
        const from = after?.at ?? '-inf';
        // Those of the same millisecond come in the order of their IDs, and may be on the page before.
        const found = await redis.zrangebyscore(unfinishedKey, from, changedBefore, 'WITHSCORES', 'LIMIT', 0, SCAN_LIMIT);
        const here = positions(found).filter(({ at, id }) => !after || at > after.at || id > after.id);
        const page = here.slice(0, limit);
        const read = await Promise.all(page.map(async ({ id }) => ({ id, job: fromHash(id, await redis.hgetall(jobKey(id))) })));
        const expired = read.flatMap(({ id, job }) => (job ? [] : [id]));
        if (expired.length > 0) await redis.zrem(unfinishedKey, ...expired);
        const jobs = read.flatMap(({ job }) => (job && !isFinal(job.state) ? [job] : []));
        const next = page.at(-1);
        return here.length > limit && next ? { jobs, next } : { jobs };
      }),
  };
}

function positions(withScores: string[]): Position[] {
  const entries: Position[] = [];
  for (let i = 0; i + 1 < withScores.length; i += 2) entries.push({ id: withScores[i] ?? '', at: Number(withScores[i + 1]) });
  return entries;
}

/** What Lua's `emit` takes after the stream, as a JSON list. */
function emitArguments(event: OutboxEvent, time: number): string {
  const { id, traceparent, aggregateType, aggregateId, version, type, payload } = toRecord(event);
  return JSON.stringify([id, traceparent, String(time), aggregateType, aggregateId, version, type, JSON.stringify(payload)]);
}

/** The ID is in there, too, for those who look at the hash by hand. */
function toHash({ progress, error, ...job }: Job): string[] {
  const { done, total, step, attempt = 1 } = progress;
  const fields = { ...job, done, total, step, attempt, error: error ? JSON.stringify(error) : '' };
  return Object.entries(fields).flatMap(([name, value]) => [name, String(value)]);
}

function fromHash(id: string, hash: Record<string, string>): Job | undefined {
  const state = JOB_STATES.find((known) => known === hash.state);
  if (!state) return undefined;
  const text = (name: string): string => hash[name] ?? '';
  const number = (name: string): number => Number(hash[name] ?? 0);
  return {
    id,
    command: text('command'),
    state,
    progress: progressOf({ done: number('done'), total: number('total'), step: text('step'), attempt: number('attempt') }),
    resultJson: text('resultJson'),
    error: hash.error ? (JSON.parse(hash.error) as JobError) : undefined,
    memberId: text('memberId'),
    aggregateId: text('aggregateId'),
    idempotencyKey: text('idempotencyKey'),
    fingerprint: text('fingerprint'),
    createdAt: number('createdAt'),
    updatedAt: number('updatedAt'),
    expiresAt: number('expiresAt'),
    version: number('version'),
  };
}

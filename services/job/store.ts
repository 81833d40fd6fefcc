import { readFileSync } from 'node:fs';
import { type OutboxEvent, toRecord } from '#platform/outbox/event.ts';
import { EMIT_LUA, outboxStream } from '#platform/outbox/redis-outbox.ts';
import { guarded, type Redis } from '#platform/redis.ts';
import { isFinal, isUnderWay, JOB_STATES, type Job, type JobError, type JobState, PLACE_HELD_MS, type Places } from './domain.ts';
import { progressOf, toEventPayload } from './wire.ts';

/** What became of a write; only `written` changed anything. */
type Written =
  | { outcome: 'written' }
  /** Somebody else changed the job since it was read (or issued it already). */
  | { outcome: 'stale' }
  /** The member used this idempotency key for the same request: that job. */
  | { outcome: 'reused'; jobId: string }
  /** The member used this idempotency key for another request. */
  | { outcome: 'conflict' }
  /** A new job, but all its member's places are taken, or all of those on its aggregate. */
  | { outcome: 'member full' | 'aggregate full' };

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
  /**
   * Writes a job that was computed from version `job.version - 1`, with its index, its idempotency
   * key, its place, its event and its wake-up, in one script.
   *
   * @param before the version that it was computed from, if another; 0: there is none
   */
  write(job: Job, before?: number): Promise<Written>;
  /**
   * A member's jobs after `after`, newest first: `limit` at most, fewer when so many did not match
   * that looking on would take too long.
   */
  list(memberId: string, filter: Filter, after: Position | undefined, limit: number): Promise<Page>;
  /** Everybody's jobs after `after` that are not final and were changed last before that time, those first that wait longest. */
  unfinished(changedBefore: number, after: Position | undefined, limit: number): Promise<Page>;
}

interface Scripts {
  writeJob(...keysAndArguments: (string | number)[]): Promise<[string, string?]>;
}

/** The most index entries that one page looks at. */
const SCAN_LIMIT = 1_000;
const SCAN_STEP = 100;

/** The events that are published, by the state that makes them. */
const EVENTS: Partial<Record<JobState, string>> = {
  applied: 'job.applied',
  completed: 'job.completed',
  failed: 'job.failed',
  cancelled: 'job.cancelled',
};

/** The channel on which the IDs of jobs that became final are told to whoever awaits one. */
export const finishedChannel = (prefix: string): string => `${prefix}job:finished`;

/**
 * @param places how many jobs may be under way
 * @param prefix goes before every key and channel, so that several can live in one Redis (tests). All
 *   keys of one write must be on one node: on a cluster give a hash tag, `{job}`.
 */
export function jobStore(redis: Redis, places: Places, prefix = ''): JobStore {
  const lua = EMIT_LUA + readFileSync(new URL('lua/write.lua', import.meta.url), 'utf8');
  redis.defineCommand('writeJob', { numberOfKeys: 8, lua });
  const scripts = redis as unknown as Scripts;

  const jobKey = (id: string): string => `${prefix}job:${id}`;
  const byCreationKey = (memberId: string): string => `${prefix}job:member:${memberId}`;
  const byExpiryKey = (memberId: string): string => `${prefix}job:member-expiry:${memberId}`;
  const idempotencyKey = (job: Job): string =>
    job.idempotencyKey ? `${prefix}job:key:${job.memberId}:${job.idempotencyKey}` : '';
  const underWayKey = (memberId: string): string => `${prefix}job:under-way:${memberId}`;
  const unfinishedKey = `${prefix}job:unfinished`;
  const outboxKey = prefix + outboxStream('job');

  return {
    now: () =>
      guarded(async () => {
        const [seconds, microseconds] = await redis.time();
        return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
      }),

    read: (id) => guarded(async () => fromHash(id, await redis.hgetall(jobKey(id)))),

    write: (job, before = job.version - 1) =>
      guarded(async () => {
        const type = EVENTS[job.state];
        const [outcome, jobId = ''] = await scripts.writeJob(
          jobKey(job.id),
          byCreationKey(job.memberId),
          byExpiryKey(job.memberId),
          idempotencyKey(job),
          outboxKey,
          underWayKey(job.memberId),
          `${underWayKey(job.memberId)}:${job.aggregateId}`,
          unfinishedKey,
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
          places.perMember,
          places.perAggregate,
          isFinal(job.state) ? '' : job.updatedAt,
        );
        switch (outcome) {
          case 'written':
          case 'stale':
          case 'conflict':
          case 'member full':
          case 'aggregate full':
            return { outcome };
          case 'reused':
            return { outcome, jobId };
          default:
            throw new Error(`write.lua answered ${outcome}`);
        }
      }),

    list: (memberId, { state, command }, after, limit) =>
      guarded(async () => {
        const { gone: _, ...page } = await pageOf(
          (offset) =>
            redis.zrevrangebyscore(
              byCreationKey(memberId),
              after?.at ?? '+inf',
              '-inf',
              'WITHSCORES',
              'LIMIT',
              offset,
              SCAN_STEP,
            ),
          // Jobs of the same millisecond come in descending order of their IDs.
          { after, isNext: ({ at, id }) => !after || at < after.at || id < after.id, limit },
          (job) => (!state || job.state === state) && (!command || job.command === command),
        );
        return page;
      }),

    unfinished: (changedBefore, after, limit) =>
      guarded(async () => {
        const { gone, ...page } = await pageOf(
          (offset) =>
            redis.zrangebyscore(unfinishedKey, after?.at ?? '-inf', changedBefore, 'WITHSCORES', 'LIMIT', offset, SCAN_STEP),
          { after, isNext: ({ at, id }) => !after || at > after.at || id > after.id, limit },
          (job) => !isFinal(job.state),
        );
        // Their jobs have expired.
        if (gone.length > 0) await redis.zrem(unfinishedKey, ...gone);
        return page;
      }),
  };

  /**
   * Looks through an index from `after` on, and reads its jobs.
   *
   * @param read the index with its scores, SCAN_STEP entries from an offset on
   * @returns a page of those that are wanted, and the IDs that it met of jobs that are not there any more
   */
  async function pageOf(
    read: (offset: number) => Promise<string[]>,
    { after, isNext, limit }: { after: Position | undefined; isNext: (position: Position) => boolean; limit: number },
    isWanted: (job: Job) => boolean,
  ): Promise<Page & { gone: string[] }> {
    const jobs: Job[] = [];
    const gone: string[] = [];
    let last = after;
    for (let offset = 0; offset < SCAN_LIMIT; offset += SCAN_STEP) {
      const entries = positions(await read(offset));
      const here = entries.filter(isNext);
      const hashes = await Promise.all(here.map(({ id }) => redis.hgetall(jobKey(id))));
      for (const [index, position] of here.entries()) {
        const job = fromHash(position.id, hashes[index] ?? {});
        if (!job) gone.push(position.id);
        const wanted = job && isWanted(job);
        // One more than asked for shows that there is a next page.
        if (wanted && jobs.length === limit) return last ? { jobs, gone, next: last } : { jobs, gone };
        if (wanted) jobs.push(job);
        last = position;
      }
      if (entries.length < SCAN_STEP) return { jobs, gone };
    }
    return last ? { jobs, gone, next: last } : { jobs, gone };
  }
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

import { readFileSync } from 'node:fs';
import { unavailable } from '#platform/errors.ts';
import { guarded, type Redis } from '#platform/redis/client.ts';
import { type Cursor, compareCursors } from './domain.ts';

/** A job's event on its way to sockets. */
export interface JobEvent {
  jobId: string;
  version: number;
  /** The job's owner. */
  memberId: string;
  /** The job as clients see it, as JSON text. */
  job: string;
  /** Of the span that received it; empty for none. */
  traceparent: string;
  /** When it happened, in milliseconds since 1970. */
  time: number;
}

/** An event among a member's events. */
export type Entry = Omit<JobEvent, 'version'> & { cursor: Cursor };

/** How long and how many events are kept for those who come back. */
export interface Kept {
  ms: number;
  /** Per member. */
  events: number;
}

/**
 * Who is connected where, who wants what, and the events of every member, in Redis:
 *
 * - `ws:instance:{instance}` the lease of an instance; what a dead one left behind is ignored, and cleared in passing
 * - `ws:sockets:{member}` the member's sockets: socket ID → instance
 * - `ws:job:{job}` the members who subscribed to a job that is not theirs
 * - `ws:events:{member}` the stream of the member's events; a cursor is an ID in it
 * - `ws:seen:{job}` the last version of a job that was delivered
 * - `ws:closings` how often sockets of members were closed, and `ws:closed:{member}` the number of the last time of a member
 * - `ws:wake:{instance}` the channel on which an instance hears whose events have grown
 * - `ws:check:{instance}` the channel on which an instance hears whose sessions may have ended
 *
 * Times are Redis's own: instances' clocks may differ.
 *
 * Everything fails with UNAVAILABLE while Redis is away.
 */
export interface SocketStore {
  /** Renews the instance's lease. @returns false when it had none: others may have forgotten its sockets */
  renew(instance: string, leaseMs: number): Promise<boolean>;
  /** Ends the lease. */
  leave(instance: string): Promise<void>;
  /** How often members' sockets were closed, so far: asked for before Auth is, it tells whether what Auth said still holds. */
  closings(): Promise<number>;
  /**
   * Registers a socket, or keeps it registered, for a time (ms).
   *
   * @param closings as they were before Auth was asked about the socket's token
   */
  register(socket: SocketName & { instance: string; closings: number }, forMs: number, allowed: number): Promise<Registration>;
  unregister(socket: SocketName): Promise<void>;
  /** Unregisters those sockets of the member that an instance has registered and `isOpen` does not know. */
  retain(memberId: string, instance: string, isOpen: (socketId: string) => boolean): Promise<void>;
  /**
   * Has every socket of the member ask whether its session is still good; none that is not registered yet will be, on what
   * Auth said before. @returns how many there are, in processes that live
   */
  close(memberId: string): Promise<number>;
  /** How many sockets the member has, in processes that live. */
  count(memberId: string): Promise<number>;
  /** For a time (ms) from now on, events of these jobs are among the member's events, too. */
  subscribe(jobIds: readonly string[], memberId: string, forMs: number): Promise<void>;
  /**
   * Adds events, each once however often it comes, and wakes whoever has a socket for them. One that is older than what is kept
   * is passed over: whether it came before is not known any more.
   */
  deliver(events: JobEvent[]): Promise<void>;
  /** Has every socket of these members ask whether its session is still good. */
  recheck(memberIds: Iterable<string>): Promise<void>;
  /**
   * At most `limit` events of the socket's member after `after`, in order; up to and including `last`, if given. Nothing is read
   * for a socket that is not registered (any more): it fails as if Redis were away.
   */
  read(socket: SocketName, after: Cursor, limit: number, last?: Cursor): Promise<Entry[]>;
  /** Finds out of the member's cursors which can be resumed: nothing after them has been dropped. */
  resumable(memberId: string): Promise<(cursor: Cursor) => boolean>;
}

/** A socket, and whose it is. */
export interface SocketName {
  memberId: string;
  socketId: string;
}

/** The cursor of "now", or why it was not registered: the member has too many, or they were closed after Auth was asked. */
export type Registration = { now: Cursor } | 'too many' | 'closed';

/** For longer than a token lives: by then, what Auth said before the sockets were closed registers none. */
const CLOSED_KEPT_MS = 600_000;

interface Scripts {
  registerSocket(...keysAndArguments: (string | number)[]): Promise<string>;
  subscribeToJobs(...countKeysAndArguments: (string | number)[]): Promise<number>;
  deliverJobEvent(...keysAndArguments: (string | number)[]): Promise<number>;
  readMemberEvents(...keysAndArguments: (string | number)[]): Promise<[Cursor, string[]][] | null>;
  closeSockets(...keysAndArguments: (string | number)[]): Promise<number>;
  socketResumable(...keysAndArguments: (string | number)[]): Promise<[oldest: Cursor, now: string]>;
}

export const wakeChannel = (prefix: string, instance: string): string => `${prefix}ws:wake:${instance}`;
export const checkChannel = (prefix: string, instance: string): string => `${prefix}ws:check:${instance}`;

/** @param prefix goes before every key and channel, so that several can live in one Redis (tests) */
export function socketStore(redis: Redis, kept: Kept, prefix = ''): SocketStore {
  const script = (name: string): string => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');
  redis.defineCommand('registerSocket', { numberOfKeys: 3, lua: script('register') });
  redis.defineCommand('closeSockets', { numberOfKeys: 3, lua: script('close') });
  redis.defineCommand('readMemberEvents', { numberOfKeys: 2, lua: script('read') });
  redis.defineCommand('subscribeToJobs', { lua: script('subscribe') });
  redis.defineCommand('deliverJobEvent', { numberOfKeys: 2, lua: script('deliver') });
  redis.defineCommand('socketResumable', { numberOfKeys: 1, lua: script('resumable') });
  const scripts = redis as unknown as Scripts;

  const instanceKey = (instance: string): string => `${prefix}ws:instance:${instance}`;
  const socketsKey = (memberId: string): string => `${prefix}ws:sockets:${memberId}`;
  const jobKey = (jobId: string): string => `${prefix}ws:job:${jobId}`;
  const eventsKey = (memberId: string): string => `${prefix}ws:events:${memberId}`;
  const seenKey = (jobId: string): string => `${prefix}ws:seen:${jobId}`;
  const closingsKey = `${prefix}ws:closings`;
  const closedKey = (memberId: string): string => `${prefix}ws:closed:${memberId}`;
  const closeSockets = (memberId: string, told: string): Promise<number> =>
    scripts.closeSockets(socketsKey(memberId), closingsKey, closedKey(memberId), told, CLOSED_KEPT_MS, prefix);

  return {
    renew: (instance, leaseMs) =>
      guarded(async () => (await redis.set(instanceKey(instance), '1', 'PX', leaseMs, 'GET')) !== null),

    leave: (instance) => guarded(async () => void (await redis.del(instanceKey(instance)))),

    closings: () => guarded(async () => Number((await redis.get(closingsKey)) ?? 0)),

    register: ({ memberId, socketId, instance, closings }, forMs, allowed) =>
      guarded(async () => {
        const keys = [socketsKey(memberId), eventsKey(memberId), closedKey(memberId)];
        const given = [socketId, instance, forMs, allowed, instanceKey(''), closings];
        const answer = await scripts.registerSocket(...keys, ...given);
        return answer === 'too many' || answer === 'closed' ? answer : { now: answer };
      }),

    unregister: ({ memberId, socketId }) => guarded(async () => void (await redis.hdel(socketsKey(memberId), socketId))),

    retain: (memberId, instance, isOpen) =>
      guarded(async () => {
        const held = Object.entries(await redis.hgetall(socketsKey(memberId)));
        const stray = held.filter(([socketId, home]) => home.split(' ', 1)[0] === instance && !isOpen(socketId));
        if (stray.length > 0) await redis.hdel(socketsKey(memberId), ...stray.map(([socketId]) => socketId));
      }),

    close: (memberId) => guarded(() => closeSockets(memberId, memberId)),
    count: (memberId) => guarded(() => closeSockets(memberId, '')),

    subscribe: (jobIds, memberId, forMs) =>
      guarded(async () => void (await scripts.subscribeToJobs(jobIds.length, ...jobIds.map(jobKey), memberId, forMs))),

    // Side by side on one connection, so in their order; if one fails, all come again, and none counts twice.
    deliver: (events) =>
      guarded(async () => {
        const sent = events.map(({ jobId, version, memberId, job, traceparent, time }) => {
          const keys = [seenKey(jobId), jobKey(jobId)];
          return scripts.deliverJobEvent(...keys, jobId, version, memberId, job, traceparent, time, kept.events, kept.ms, prefix);
        });
        const failed = (await Promise.allSettled(sent)).find((outcome) => outcome.status === 'rejected');
        if (failed) throw failed.reason;
      }),

    recheck: (memberIds) =>
      guarded(async () => {
        const tell = async (memberId: string): Promise<void> => {
          const instances = new Set((await redis.hvals(socketsKey(memberId))).map((home) => home.split(' ', 1)[0] ?? ''));
          await Promise.all([...instances].map((instance) => redis.publish(checkChannel(prefix, instance), memberId)));
        };
        await Promise.all([...memberIds].map(tell));
      }),

    read: ({ memberId, socketId }, after, limit, last = '+') =>
      guarded(async () => {
        const keys = [socketsKey(memberId), eventsKey(memberId)];
        const found = await scripts.readMemberEvents(...keys, socketId, after, last, limit);
        if (!found) throw unavailable('STORE_UNAVAILABLE', 'the socket is not registered');
        return found.map(([cursor, fields]) => toEntry(cursor, fields));
      }),

    resumable: (memberId) =>
      guarded(async () => {
        const [oldest, now] = await scripts.socketResumable(eventsKey(memberId), kept.ms);
        const end = `${Number(now) + 1}-0`;
        return (cursor) => compareCursors(oldest, cursor) <= 0 && compareCursors(cursor, end) < 0;
      }),
  };
}

function toEntry(cursor: Cursor, fields: string[]): Entry {
  const values: Record<string, string> = {};
  for (let i = 0; i + 1 < fields.length; i += 2) values[fields[i] ?? ''] = fields[i + 1] ?? '';
  const { id = '', owner = '', job = '', traceparent = '', time = '' } = values;
  return { cursor, jobId: id, memberId: owner, job, traceparent, time: Number(time) };
}

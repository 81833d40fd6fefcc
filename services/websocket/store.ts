import { readFileSync } from 'node:fs';
import { unavailable } from '#platform/errors.ts';
import { guarded, type Redis } from '#platform/redis/client.ts';
import { type Cursor, compareCursors, type Kept } from './domain.ts';
import { type Entry, type JobEvent, type OwnEvent, toEntry } from './member-events.ts';
import { closedKey, cutKey, inOrder, type TopicStore, topicStore } from './topic-store.ts';

/**
 * Who is connected where, who wants what, and the events of every member, in Redis:
 *
 * - `ws:instance:{instance}` the lease of an instance; what a dead one left behind is ignored, and cleared in passing
 * - `ws:sockets:{member}` the member's sockets: socket ID → instance, until when, and the last closing before Auth was asked
 * - `ws:job:{job}` the members who subscribed to a job that is not theirs, `ws:group:{group}` those who follow a group, and
 *   `ws:followers` those who follow anything that is not theirs
 * - `ws:events:{member}` the stream of the member's events; a cursor is an ID in it
 * - `ws:seen:{job}` the last version of a job that was delivered, and `ws:told:{about}` that of something else that its member was told
 * - `ws:cut:{instance}` sockets of an instance that are cut off
 * - `ws:closings` the number of the last closing or narrowing, `ws:closed:{member}` that of the last one of a member's sockets, and
 *   `ws:narrowed` that of the last narrowing of all
 * - `ws:wake:{instance}` the channel on which an instance hears whose events have grown
 * - `ws:check:{instance}` the channel on which an instance hears whose sessions may have ended
 *
 * What is said in topics is in {@link TopicStore}. Times are Redis's own: instances' clocks may differ.
 *
 * Everything fails with UNAVAILABLE while Redis is away.
 */
export interface SocketStore {
  readonly topics: TopicStore;
  /**
   * Renews the instance's lease.
   *
   * @param lapses how often it has lapsed before
   * @returns false when it had none of which it knows, which is a lapse more: others may have forgotten its sockets
   */
  renew(instance: string, leaseMs: number, lapses?: number): Promise<boolean>;
  /** Ends the lease. */
  leave(instance: string): Promise<void>;
  /** The number of the last closing or narrowing: asked for before Auth is, it tells whether what Auth said still holds. */
  closings(): Promise<number>;
  /**
   * Registers a socket, or keeps it registered, for a time (ms).
   *
   * @param closings the last one before Auth was asked about the socket's token
   */
  register(socket: SocketName & { instance: string; closings: number }, forMs: number, allowed: number): Promise<Registration>;
  unregister(socket: SocketName): Promise<void>;
  /** Unregisters those sockets of the member that an instance has registered and `isOpen` does not know. */
  retain(memberId: string, instance: string, isOpen: (socketId: string) => boolean): Promise<void>;
  /**
   * Has every socket of the member ask whether its session is still good; none that is not registered yet will be, on what
   * Auth said before. @returns the closing's number
   */
  close(memberId: string): Promise<number>;
  /** Whether anybody follows what is others'. No subscription that is not entered yet will be, on what Auth said before. */
  isAnythingFollowed(): Promise<boolean>;
  /** The members who follow one of these groups. */
  followersOf(groupIds: readonly string[]): Promise<string[]>;
  /**
   * Has every socket of those who follow what is others' ask what it may follow; no subscription that is not entered yet will be, on
   * what Auth said before.
   *
   * @param memberIds the only ones whom it concerns, at least one; default: all
   * @returns the narrowing's number, and the members who were found
   */
  narrow(memberIds?: readonly string[]): Promise<{ number: number; memberIds: string[] }>;
  /** How many sockets of the member, in processes that live, Auth has not vouched for since a closing or narrowing. */
  unvouched(memberId: string, closing: number): Promise<number>;
  /** Forgets these sockets, so that they get no event before they are registered again. @returns how many */
  cutOff(memberId: string, closing: number): Promise<number>;
  /**
   * For a time (ms) from now on, events of these jobs are among the member's events, too, and it is among those who follow these groups.
   *
   * @param closings the last one before Auth was asked about these; default: it was not asked
   * @returns false, and they are not, when what the member may follow was narrowed after Auth was asked
   */
  subscribe(followed: Followed, memberId: string, forMs: number, closings?: number): Promise<boolean>;
  /**
   * Adds events, each once however often it comes, and wakes whoever has a socket for them. One that is older than what is kept
   * is passed over: whether it came before is not known any more.
   */
  deliver(events: JobEvent[]): Promise<void>;
  /** Adds what members are told of other events to theirs, in the same way. */
  tell(events: readonly OwnEvent[]): Promise<void>;
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

/** What a member follows that is not its own. */
export interface Followed {
  jobIds?: readonly string[];
  groupIds?: readonly string[];
}

/** A socket, and whose it is. */
export interface SocketName {
  memberId: string;
  socketId: string;
}

/** The cursor of "now", or why it was not registered: the member has too many, or they were closed after Auth was asked. */
export type Registration = { now: Cursor } | 'too many' | 'closed';

/** No token lives longer: what Auth said before the sockets were closed registers none then. */
const LONGEST_TOKEN_MS = 600_000;

interface Scripts {
  renewLease(...keysAndArguments: (string | number)[]): Promise<number>;
  registerSocket(...keysAndArguments: (string | number)[]): Promise<string>;
  narrowSockets(...keysAndArguments: (string | number)[]): Promise<[number: string, memberIds: string[]]>;
  anythingFollowed(...keysAndArguments: (string | number)[]): Promise<number>;
  subscribeTo(...countKeysAndArguments: (string | number)[]): Promise<number>;
  deliverJobEvent(...keysAndArguments: (string | number)[]): Promise<number>;
  tellMember(...keysAndArguments: (string | number)[]): Promise<number>;
  readMemberEvents(...keysAndArguments: (string | number)[]): Promise<[Cursor, string[]][] | null>;
  closeSockets(...keysAndArguments: (string | number)[]): Promise<string>;
  unvouchedSockets(...keysAndArguments: (string | number)[]): Promise<number>;
  socketResumable(...keysAndArguments: (string | number)[]): Promise<[oldest: Cursor, now: string]>;
}

export const wakeChannel = (prefix: string, instance: string): string => `${prefix}ws:wake:${instance}`;
export const checkChannel = (prefix: string, instance: string): string => `${prefix}ws:check:${instance}`;

/** @param prefix goes before every key and channel, so that several can live in one Redis (tests) */
export function socketStore(redis: Redis, kept: Kept, prefix = ''): SocketStore {
  const script = (name: string): string => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');
  redis.defineCommand('renewLease', { numberOfKeys: 1, lua: script('renew') });
  redis.defineCommand('registerSocket', { numberOfKeys: 4, lua: script('register') });
  redis.defineCommand('closeSockets', { numberOfKeys: 3, lua: script('close') });
  redis.defineCommand('narrowSockets', { lua: script('narrow') });
  redis.defineCommand('unvouchedSockets', { numberOfKeys: 1, lua: script('unvouched') });
  redis.defineCommand('readMemberEvents', { numberOfKeys: 2, lua: script('read') });
  redis.defineCommand('anythingFollowed', { numberOfKeys: 3, lua: script('followed') });
  redis.defineCommand('subscribeTo', { lua: script('subscribe') });
  redis.defineCommand('deliverJobEvent', { numberOfKeys: 2, lua: script('deliver') });
  redis.defineCommand('tellMember', { numberOfKeys: 3, lua: script('tell') });
  redis.defineCommand('socketResumable', { numberOfKeys: 1, lua: script('resumable') });
  const scripts = redis as unknown as Scripts;

  const instanceKey = (instance: string): string => `${prefix}ws:instance:${instance}`;
  const socketsKey = (memberId: string): string => `${prefix}ws:sockets:${memberId}`;
  const jobKey = (jobId: string): string => `${prefix}ws:job:${jobId}`;
  const groupKey = (groupId: string): string => `${prefix}ws:group:${groupId}`;
  const eventsKey = (memberId: string): string => `${prefix}ws:events:${memberId}`;
  const seenKey = (jobId: string): string => `${prefix}ws:seen:${jobId}`;
  const closingsKey = `${prefix}ws:closings`;
  const narrowedKey = `${prefix}ws:narrowed`;
  const closedOf = (memberId: string): string => closedKey(prefix, memberId);
  /** For longer than what was noted of a member's sight is kept, which is written with each token. */
  const closedKeptMs = LONGEST_TOKEN_MS + kept.ms;
  const followersKey = `${prefix}ws:followers`;
  const unvouched = (memberId: string, closing: number, cut = ''): Promise<number> =>
    guarded(() => scripts.unvouchedSockets(socketsKey(memberId), closing, instanceKey(''), cut, cutKey(prefix, '')));

  return {
    topics: topicStore(redis, kept, prefix),

    renew: (instance, leaseMs, lapses = 0) =>
      guarded(async () => (await scripts.renewLease(instanceKey(instance), lapses, leaseMs)) === 1),

    leave: (instance) => guarded(async () => void (await redis.del(instanceKey(instance)))),

    closings: () => guarded(async () => Number((await redis.get(closingsKey)) ?? 0)),

    register: ({ memberId, socketId, instance, closings }, forMs, allowed) =>
      guarded(async () => {
        const keys = [socketsKey(memberId), eventsKey(memberId), closedOf(memberId), cutKey(prefix, instance)];
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

    close: (memberId) =>
      guarded(async () => {
        const keys = [socketsKey(memberId), closingsKey, closedOf(memberId)];
        return Number(await scripts.closeSockets(...keys, memberId, closedKeptMs, prefix));
      }),
    narrow: (memberIds) =>
      guarded(async () => {
        const keys = [closingsKey, followersKey, ...(memberIds ? memberIds.map(closedOf) : [narrowedKey])];
        const given = [closedKeptMs, prefix, ...(memberIds ?? [])];
        const [number, following] = await scripts.narrowSockets(keys.length, ...keys, ...given);
        return { number: Number(number), memberIds: following };
      }),
    isAnythingFollowed: () =>
      guarded(async () => (await scripts.anythingFollowed(closingsKey, narrowedKey, followersKey, closedKeptMs)) === 1),
    followersOf: (groupIds) =>
      guarded(async () => {
        const [seconds] = await redis.time();
        const followers = await Promise.all(
          groupIds.map((id) => redis.zrangebyscore(groupKey(id), Number(seconds) * 1000, '+inf')),
        );
        return [...new Set(followers.flat())];
      }),
    unvouched: (memberId, closing) => unvouched(memberId, closing),
    cutOff: (memberId, closing) => unvouched(memberId, closing, 'cut off'),

    subscribe: ({ jobIds = [], groupIds = [] }, memberId, forMs, closings) =>
      guarded(async () => {
        const numbers = [closedOf(memberId), narrowedKey];
        const keys = [...numbers, followersKey, ...groupIds.map(groupKey), ...jobIds.map(jobKey)];
        return (await scripts.subscribeTo(keys.length, ...keys, memberId, forMs, closings ?? '', groupIds.length)) === 1;
      }),

    deliver: (events) =>
      inOrder(events, ({ jobId, version, memberId, job, traceparent, time }) => {
        const keys = [seenKey(jobId), jobKey(jobId)];
        return scripts.deliverJobEvent(...keys, jobId, version, memberId, job, traceparent, time, kept.events, kept.ms, prefix);
      }),
    tell: (events) =>
      inOrder(events, ({ about, version, memberId, sayings, traceparent, time }) => {
        const keys = [`${prefix}ws:told:${about}`, eventsKey(memberId), socketsKey(memberId)];
        const said = sayings.flatMap(({ type, fields, needs }) => [type, JSON.stringify(fields), needs]);
        return scripts.tellMember(...keys, version, time, kept.events, kept.ms, prefix, traceparent, memberId, ...said);
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

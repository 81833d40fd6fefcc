import { readFileSync } from 'node:fs';
import { unavailable } from '#platform/errors.ts';
import { guarded, type Redis } from '#platform/redis/client.ts';
import { type Cursor, compareCursors, type Kept } from './domain.ts';

/**
 * For whom something is that was said in a topic: for all who follow it; for those who may see its members, its positions, who asks to be let in, or
 * who is invited, and of these the one whom it concerns; or for those who may see the group that it is about, or could if it was not gone.
 */
export type Whom = 'all' | 'members' | 'positions' | 'requests' | 'invitations' | 'group' | 'gone';

/** Something to say in a topic. */
export interface Saying {
  topic: string;
  /** The frame's. */
  type: string;
  /** The frame's other fields, besides topic and cursor. */
  fields: Readonly<Record<string, unknown>>;
  whom: Whom;
  /** Whom it concerns: a member, or the group that it is about. */
  of: string;
}

/** An event, and what is to be said of it, in one topic or several. */
export interface TopicEvent {
  /** What it is about: its kind and ID. */
  about: string;
  version: number;
  sayings: readonly Saying[];
  /** Of the span that received it; empty for none. */
  traceparent: string;
  /** When it happened, in milliseconds since 1970. */
  time: number;
  /** It is said only in topics that somebody follows, or has followed lately: there are many. */
  followedOnly?: true;
}

/** Something that was said in a topic. */
export interface Said {
  cursor: Cursor;
  type: string;
  /** JSON text. */
  fields: string;
  whom: Whom;
  of: string;
  traceparent: string;
  time: number;
}

/** What was said in a topic after some place in it. */
export interface TopicChunk {
  said: Said[];
  /** The sockets of the instance that get nothing of it. */
  cutOff: ReadonlySet<string>;
  /** Where "now" is, if something that came after that place is gone. */
  lost: Cursor | undefined;
}

/**
 * What is said in topics, each in a stream of its own, in Redis; whoever follows it, it is there once:
 *
 * - `ws:topic:{topic}` the topic's stream; a cursor is an ID in it. It is bounded in length, and vanishes when nothing was said for as long as
 *   events are kept: so it is written whether somebody follows the topic or not, and who comes back later finds it
 * - `ws:holders:{topic}` the instances that hold sockets for the topic
 * - `ws:followed:{topic}` that somebody follows it, or may come back to it
 * - `ws:seen:{about}` the last version of something that was told
 * - `ws:sight:{member}:{topic}` since when the member may follow the topic, and hear what it may hear now, for as long as events are kept
 * - `ws:born` since when the store has lost nothing, ms
 * - `ws:said:{instance}` the channel on which an instance hears in which topic something was said
 *
 * Everything fails with UNAVAILABLE while Redis is away.
 */
export interface TopicStore {
  /**
   * Says events in their topics, each once however often it comes, and wakes the instances that hold sockets for them. One that is
   * older than what is kept is passed over.
   */
  say(events: readonly TopicEvent[]): Promise<void>;
  /** Has an instance hear of what is said in a topic, for a time (ms) at least. @returns the cursor of "now" */
  takeUp(topic: string, instance: string, forMs: number): Promise<Cursor>;
  /** The instance holds no socket for the topic any more. */
  leave(topic: string, instance: string): Promise<void>;
  /**
   * At most `limit` of what was said after `after`, in order.
   *
   * @param lapse of the instance's lease, after which Auth has vouched for all its sockets: after a later one it fails, as if Redis were away
   */
  read(topic: string, instance: string, lapse: number, after: Cursor, limit: number): Promise<TopicChunk>;
  /** Finds out of cursors in the topic which can be resumed: nothing after them has been dropped. It must have been taken up. */
  resumable(topic: string): Promise<(cursor: Cursor) => boolean>;
  /**
   * Notes for a time (ms) what a member may hear of topics, by an answer of Auth.
   *
   * @param sights by topic, as letters; and, with a blank before it, the stamp of Auth's answer
   * @param closings the last one before Auth was asked
   * @param goesOn a socket of the member has followed them until now, and was asked about after each narrowing
   * @returns for each topic the cursor since which the member may hear as much without a break, in their order
   */
  see(
    memberId: string,
    sights: ReadonlyMap<string, string>,
    given: { closings: number; forMs: number; goesOn: boolean },
  ): Promise<Cursor[]>;
}

export const saidChannel = (prefix: string, instance: string): string => `${prefix}ws:said:${instance}`;
export const cutKey = (prefix: string, instance: string): string => `${prefix}ws:cut:${instance}`;

interface Scripts {
  sayInTopics(...countKeysAndArguments: (string | number)[]): Promise<number>;
  takeUpTopic(...keysAndArguments: (string | number)[]): Promise<Cursor>;
  readTopic(...keysAndArguments: (string | number)[]): Promise<[[Cursor, string[]][], string[], string] | null>;
  socketResumable(...keysAndArguments: (string | number)[]): Promise<[oldest: Cursor, now: string]>;
  seeTopics(...countKeysAndArguments: (string | number)[]): Promise<Cursor[]>;
}

export const closedKey = (prefix: string, memberId: string): string => `${prefix}ws:closed:${memberId}`;

/** What is done with events side by side on one connection, so in their order; if one fails, all come again, and none counts twice. */
export const inOrder = <Event>(events: readonly Event[], send: (event: Event) => Promise<unknown>): Promise<void> =>
  guarded(async () => {
    const failed = (await Promise.allSettled(events.map(send))).find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  });

/** @param prefix goes before every key and channel */
export function topicStore(redis: Redis, kept: Kept, prefix: string): TopicStore {
  const script = (name: string): string => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');
  redis.defineCommand('sayInTopics', { lua: script('say') });
  redis.defineCommand('takeUpTopic', { numberOfKeys: 4, lua: script('take-up') });
  redis.defineCommand('readTopic', { numberOfKeys: 3, lua: script('read-topic') });
  redis.defineCommand('socketResumable', { numberOfKeys: 1, lua: script('resumable') });
  redis.defineCommand('seeTopics', { lua: script('see') });
  const scripts = redis as unknown as Scripts;

  const streamKey = (topic: string): string => `${prefix}ws:topic:${topic}`;
  const holdersKey = (topic: string): string => `${prefix}ws:holders:${topic}`;
  const bornKey = `${prefix}ws:born`;

  return {
    say: (events) =>
      inOrder(events, ({ about, version, sayings, traceparent, time, followedOnly = false }) => {
        const keys = [`${prefix}ws:seen:${about}`, ...sayings.flatMap(({ topic }) => [streamKey(topic), holdersKey(topic)])];
        const said = sayings.flatMap(({ topic, type, fields, whom, of }) => [topic, type, JSON.stringify(fields), whom, of]);
        const given = [version, time, kept.events, kept.ms, prefix, traceparent, followedOnly ? 'followed only' : ''];
        return scripts.sayInTopics(keys.length, ...keys, ...given, ...said);
      }),

    takeUp: (topic, instance, forMs) =>
      guarded(() => {
        const keys = [holdersKey(topic), streamKey(topic), bornKey, `${prefix}ws:followed:${topic}`];
        return scripts.takeUpTopic(...keys, instance, forMs, kept.ms);
      }),

    leave: (topic, instance) => guarded(async () => void (await redis.srem(holdersKey(topic), instance))),

    read: (topic, instance, lapse, after, limit) =>
      guarded(async () => {
        const keys = [streamKey(topic), `${prefix}ws:instance:${instance}`, cutKey(prefix, instance)];
        const found = await scripts.readTopic(...keys, after, limit, lapse);
        if (!found) throw unavailable('STORE_UNAVAILABLE', 'the sockets of this instance are not registered');
        const [entries, cutOff, lost] = found;
        const said = entries.map(([cursor, values]) => toSaid(cursor, values));
        return { said, cutOff: new Set(cutOff), lost: lost || undefined };
      }),

    resumable: (topic) =>
      guarded(async () => {
        const [[oldest, now], born] = await Promise.all([scripts.socketResumable(streamKey(topic), kept.ms), redis.get(bornKey)]);
        const [from, end] = [`${born ?? now}-0`, `${Number(now) + 1}-0`];
        return (cursor) => [oldest, from].every((at) => compareCursors(at, cursor) <= 0) && compareCursors(cursor, end) < 0;
      }),

    see: (memberId, sights, { closings, forMs, goesOn }) =>
      guarded(async () => {
        const noted = [...sights.keys()].flatMap((topic) => [`${prefix}ws:sight:${memberId}:${topic}`, streamKey(topic)]);
        const keys = [closedKey(prefix, memberId), ...noted];
        return await scripts.seeTopics(keys.length, ...keys, closings, forMs, goesOn ? 'goes on' : '', ...sights.values());
      }),
  };
}

function toSaid(cursor: Cursor, values: string[]): Said {
  const given: Record<string, string> = {};
  for (let i = 0; i + 1 < values.length; i += 2) given[values[i] ?? ''] = values[i + 1] ?? '';
  const { type = '', fields = '{}', whom = '', of = '', traceparent = '', time = '' } = given;
  return { cursor, type, fields, whom: whom as Whom, of, traceparent, time: Number(time) };
}

import { Turns } from '#platform/concurrency/turns.ts';
import { contextFrom, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import type { Cursor } from './domain.ts';
import type { Said, TopicStore } from './topic-store.ts';

/** The most that is read at once. */
export const CHUNK = 100;
/** How many sockets ask Auth at once who may see what something is about. */
const ASKING_AT_ONCE = 10;

/** Something that was said in a topic, as the frame that every socket is sent. */
export interface TopicFrame extends Omit<Said, 'fields'> {
  bytes: Buffer;
}

/** What sockets that stand at one place in a topic are to have next. */
export interface Chunk {
  frames: readonly TopicFrame[];
  cutOff: ReadonlySet<string>;
  lost: Cursor | undefined;
  /** When it was asked for, in milliseconds of `performance.now()`. */
  asked: number;
}

interface SharedTopic {
  followers: Set<() => void>;
  /** What is being read, by the place after which. */
  reads: Map<Cursor, Promise<Chunk>>;
}

/** An instance, as its lease has it. */
export interface Leased {
  readonly instance: string;
  /** The lapse of its lease after which Auth has vouched for all its sockets. */
  readonly healed: number;
}

/**
 * The topics that sockets of this instance follow. What is said is told once to an instance, read once by all sockets that stand at the same
 * place, and made into a frame once; a socket that lags reads for itself.
 */
export class SharedTopics {
  /** Whoever asks Auth about what was said takes turns, so that an event that many hear of is no flood. */
  readonly asking = new Turns(ASKING_AT_ONCE);
  readonly #store: TopicStore;
  readonly #lease: Leased;
  readonly #byTopic = new Map<string, SharedTopic>();

  constructor(store: TopicStore, lease: Leased) {
    this.#store = store;
    this.#lease = lease;
  }

  /** @param wake is called when something was said */
  join(topic: string, wake: () => void): void {
    const shared = this.#byTopic.get(topic) ?? { followers: new Set(), reads: new Map() };
    this.#byTopic.set(topic, shared);
    shared.followers.add(wake);
  }

  /** What fails is made up for when something is said: one instance more hears of it, once. */
  leave(topic: string, wake: () => void): void {
    const shared = this.#byTopic.get(topic);
    if (!shared?.followers.delete(wake) || shared.followers.size > 0) return;
    this.#byTopic.delete(topic);
    this.#store.leave(topic, this.#lease.instance).catch(() => undefined);
  }

  /** Has what is said in the topic told to this instance, for a time (ms) at least. @returns the cursor of "now" */
  takeUp(topic: string, forMs: number): Promise<Cursor> {
    return this.#store.takeUp(topic, this.#lease.instance, forMs);
  }

  resumable(topic: string): Promise<(cursor: Cursor) => boolean> {
    return this.#store.resumable(topic);
  }

  /** Something was said. What was asked for before may not have it. */
  heard(topic: string): void {
    const shared = this.#byTopic.get(topic);
    shared?.reads.clear();
    for (const wake of shared?.followers ?? []) wake();
  }

  /** What comes after a place in a topic that was joined. */
  read(topic: string, after: Cursor): Promise<Chunk> {
    const reads = this.#byTopic.get(topic)?.reads;
    const reading = reads?.get(after) ?? this.#read(topic, after);
    if (!reads || reads.get(after) === reading) return reading;
    reads.set(after, reading);
    const done = (): void => {
      if (reads.get(after) === reading) reads.delete(after);
    };
    reading.then(done, done);
    return reading;
  }

  async #read(topic: string, after: Cursor): Promise<Chunk> {
    const asked = performance.now();
    const { instance, healed } = this.#lease;
    const { said, cutOff, lost } = await this.#store.read(topic, instance, healed, after, CHUNK);
    return { frames: await Promise.all(said.map((one) => framed(topic, one))), cutOff, lost, asked };
  }
}

/** One span for all sockets: there may be many. */
function framed(topic: string, { fields, ...said }: Said): Promise<TopicFrame> {
  const { type, cursor, traceparent } = said;
  const options = { kind: SpanKind.PRODUCER, parent: contextFrom(traceparent), attributes: { 'musubi.socket.topic': topic } };
  return withSpan('push to sockets', options, async () => {
    const head = JSON.stringify({ type, topic, cursor }).slice(0, -1);
    return { ...said, bytes: Buffer.from(`${head},${fields.slice(1)}`) };
  });
}

import { ANSWER_HOLDS_MS, type Cursor, compareCursors, jobTopic, laterCursor, OWN_TOPIC } from './domain.ts';
import type { Entry } from './member-events.ts';
import type { SocketName, SocketStore } from './store.ts';
import type { OthersJob, Things } from './things.ts';

/** The most events that are read at once. */
const CHUNK = 100;

/** Hands an event of a topic to the client; if it rejects, the event is tried again later. */
export type Push = (entry: Entry, topic: string, kind: 'new' | 'missed') => Promise<void>;

/**
 * The events of one socket, in order and each once: reads the member's stream from a cursor on, and
 * hands over what the socket is to have. Wake-ups may be lost, doubled or late; the stream decides.
 *
 * What adds, reads or moves on (`add`, `startAfter`, `replay`, `pump`) must not run at the same time: the session has it take turns.
 * `remove` may come in between: it holds from the next event on.
 */
export class Feed {
  readonly #store: SocketStore;
  readonly #socket: SocketName;
  readonly #push: Push;
  /** Everything up to here was handed over, or is not for this socket. */
  #position: Cursor;
  /**
   * What the socket wants, and from which cursor on it has had all of it. One that is ahead of the position is of a
   * client that had more before it came here.
   */
  readonly #since = new Map<string, Cursor>();
  /** Of these topics, those of other members' jobs. */
  readonly #others = new Map<string, OthersJob>();

  constructor(store: SocketStore, socket: SocketName, now: Cursor, push: Push) {
    this.#store = store;
    this.#socket = socket;
    this.#position = now;
    this.#push = push;
    this.#since.set(OWN_TOPIC, now);
  }

  /** The topics that were subscribed to; without the member's own events, which are always wanted. */
  get topics(): string[] {
    return [...this.#since.keys()].filter((topic) => topic !== OWN_TOPIC);
  }

  /** Those of other members' jobs: their events come only as long as they are asked for. */
  get others(): Things<OthersJob> {
    return this.#others;
  }

  has(topic: string): boolean {
    return this.#since.has(topic);
  }

  /** Up to where the client has had everything of a topic. */
  cursorOf(topic: string): Cursor {
    return laterCursor(this.#position, this.#since.get(topic) ?? this.#position);
  }

  /** @param others the job, if it is of another member */
  add(topic: string, others?: OthersJob): void {
    if (this.#since.has(topic)) return;
    this.#since.set(topic, this.#position);
    if (others) this.#others.set(topic, others);
  }

  remove(topic: string): void {
    if (topic !== OWN_TOPIC) this.#since.delete(topic);
    this.#others.delete(topic);
  }

  /** Finds out after which cursors everything is still there. */
  resumable(): Promise<(cursor: Cursor) => boolean> {
    return this.#store.resumable(this.#socket.memberId);
  }

  /** The client had everything of these topics up to these cursors before it came here. */
  startAfter(cursors: ReadonlyMap<string, Cursor>): void {
    for (const [topic, cursor] of cursors) {
      if (this.has(topic) && compareCursors(cursor, this.#position) > 0) this.#since.set(topic, cursor);
    }
  }

  /**
   * Hands over what was missed of these topics between these cursors and the present position, and not handed over before:
   * what is not missed by any of them is not read.
   *
   * @param pay is called before each read of up to {@link CHUNK} events; false: nobody waits for them any more
   */
  async replay(cursors: ReadonlyMap<string, Cursor>, pay: () => Promise<boolean>): Promise<void> {
    let [at, last] = [this.#position, '0-0'];
    for (const [topic, cursor] of cursors) {
      const since = this.#since.get(topic);
      if (since === undefined || compareCursors(cursor, since) >= 0) continue;
      if (compareCursors(cursor, at) < 0) at = cursor;
      last = laterCursor(last, since);
    }
    if (compareCursors(this.#position, last) < 0) last = this.#position;
    while (compareCursors(at, last) < 0 && (await pay())) {
      const { entries, hold } = await this.#read(at, last);
      let handed = 0;
      for (const entry of entries) {
        if (!hold()) break;
        handed++;
        at = entry.cursor;
        const topic = this.#topicOf(entry);
        const [had, since] = [cursors.get(topic), this.#since.get(topic)];
        if (had === undefined || since === undefined) continue;
        if (compareCursors(had, entry.cursor) < 0 && compareCursors(entry.cursor, since) <= 0)
          await this.#push(entry, topic, 'missed');
      }
      if (handed === entries.length && entries.length < CHUNK) break;
    }
    for (const [topic, cursor] of cursors) {
      const since = this.#since.get(topic);
      if (since !== undefined && compareCursors(cursor, since) < 0) this.#since.set(topic, cursor);
    }
  }

  /** Hands over what is new. @returns true when there may be more */
  async pump(): Promise<boolean> {
    const { entries, hold } = await this.#read(this.#position);
    for (const entry of entries) {
      if (!hold()) return true;
      const topic = this.#topicOf(entry);
      const since = this.#since.get(topic);
      if (since !== undefined && compareCursors(since, entry.cursor) < 0) await this.#push(entry, topic, 'new');
      this.#position = entry.cursor;
    }
    return entries.length === CHUNK;
  }

  /** Reads a chunk of events, and tells how long they may be handed over: the socket may have been cut off since. */
  async #read(after: Cursor, last?: Cursor): Promise<{ entries: Entry[]; hold: () => boolean }> {
    const asked = performance.now();
    const entries = await this.#store.read(this.#socket, after, CHUNK, last);
    return { entries, hold: () => performance.now() - asked < ANSWER_HOLDS_MS };
  }

  #topicOf(entry: Entry): string {
    return !('job' in entry) || entry.memberId === this.#socket.memberId ? OWN_TOPIC : jobTopic(entry.jobId);
  }
}

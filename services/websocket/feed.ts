import { type Cursor, compareCursors, jobTopic } from './domain.ts';
import type { Entry, SocketStore } from './store.ts';

/** The most events that are read at once. */
const CHUNK = 100;
/** The topic of a member's own events, which needs no subscription. */
const OWN = 'member:me';

/** Hands an event to the client; if it rejects, the event is tried again later. */
export type Push = (entry: Entry, kind: 'new' | 'missed') => Promise<void>;

/**
 * The events of one socket, in order and each once: reads the member's stream from a cursor on, and
 * hands over what the socket is to have. Wake-ups may be lost, doubled or late; the stream decides.
 *
 * What adds, reads or moves on (`add`, `startAfter`, `replay`, `pump`) must not run at the same time: the session has it take turns.
 * `remove` may come in between: it holds from the next event on.
 */
export class Feed {
  readonly #store: SocketStore;
  readonly #memberId: string;
  readonly #push: Push;
  /** Everything up to here was handed over, or is not for this socket. */
  #position: Cursor;
  /** What the socket wants, and from which cursor on it has had all of it. */
  readonly #since = new Map<string, Cursor>();

  constructor(store: SocketStore, memberId: string, now: Cursor, push: Push) {
    this.#store = store;
    this.#memberId = memberId;
    this.#position = now;
    this.#push = push;
    this.#since.set(OWN, now);
  }

  get position(): Cursor {
    return this.#position;
  }

  /** The topics that were subscribed to; without the member's own events, which are always wanted. */
  get topics(): string[] {
    return [...this.#since.keys()].filter((topic) => topic !== OWN);
  }

  add(topic: string): void {
    if (!this.#since.has(topic)) this.#since.set(topic, this.#position);
  }

  remove(topic: string): void {
    if (topic !== OWN) this.#since.delete(topic);
  }

  /** Whether everything after the cursor is still there. */
  resumable(cursor: Cursor): Promise<boolean> {
    return this.#store.resumable(this.#memberId, cursor);
  }

  /** The client had everything up to the cursor before it came here. */
  startAfter(cursor: Cursor): void {
    if (compareCursors(cursor, this.#position) <= 0) return;
    this.#position = cursor;
    for (const topic of this.#since.keys()) this.#since.set(topic, cursor);
  }

  /** Hands over what was missed between the cursor and the present position, and not handed over before. */
  async replay(cursor: Cursor): Promise<void> {
    for (let at = cursor; compareCursors(at, this.#position) < 0; ) {
      const entries = await this.#store.read(this.#memberId, at, CHUNK, this.#position);
      for (const entry of entries) {
        const since = this.#wantedSince(entry);
        if (since !== undefined && compareCursors(entry.cursor, since) <= 0) await this.#push(entry, 'missed');
      }
      if (entries.length < CHUNK) break;
      at = entries.at(-1)?.cursor ?? this.#position;
    }
    for (const [topic, since] of this.#since) if (compareCursors(cursor, since) < 0) this.#since.set(topic, cursor);
  }

  /** Hands over what is new. @returns true when there may be more */
  async pump(): Promise<boolean> {
    const entries = await this.#store.read(this.#memberId, this.#position, CHUNK);
    for (const entry of entries) {
      if (this.#wantedSince(entry) !== undefined) await this.#push(entry, 'new');
      this.#position = entry.cursor;
    }
    return entries.length === CHUNK;
  }

  #wantedSince(entry: Entry): Cursor | undefined {
    return entry.memberId === this.#memberId ? this.#since.get(OWN) : this.#since.get(jobTopic(entry.jobId));
  }
}

import { callerGone, resourceExhausted } from './errors.ts';

export interface TurnsOptions {
  /** How many may wait; default: any number. Of one more, somebody is told TOO_BUSY: see {@link Turns.take}. */
  places?: number;
  /** Whoever has waited so long is told TOO_BUSY, ms; default: nobody is. */
  longestWaitMs?: number;
}

/** Whose turn it is to be. */
export interface Turn {
  /** Those of different names take turns with each other, those of one name come in their order. Default: one name for all. */
  name?: string;
  /** Ends the wait when it aborts. */
  signal?: AbortSignal | undefined;
}

/**
 * Lets so many pieces of work run at once. The others wait for their turns, name by name (round robin), so that whoever
 * brings much does not keep out who brings little.
 */
export class Turns {
  #free: number;
  readonly #places: number;
  readonly #longestWaitMs: number | undefined;
  /** Those who wait, by name; the name whose turn is next comes first. */
  readonly #waiting = new Map<string, Waiter[]>();
  #size = 0;

  constructor(atOnce: number, { places = Number.POSITIVE_INFINITY, longestWaitMs }: TurnsOptions = {}) {
    this.#free = atOnce;
    this.#places = places;
    this.#longestWaitMs = longestWaitMs;
  }

  /**
   * Runs the work when its turn comes.
   *
   * @throws TOO_BUSY when no place is free to wait at. The last of the name that has most waiting gives its place up for a
   *   name that has fewer, so it may be told so later; CALLER_GONE once the signal has aborted
   */
  async take<T>(work: () => Promise<T>, { name = '', signal }: Turn = {}): Promise<T> {
    if (signal?.aborted) throw callerGone();
    if (this.#free > 0) this.#free--;
    else await this.#wait(name, signal);
    try {
      return await work();
    } finally {
      // A turn is handed on rather than freed, so that nobody overtakes those who wait.
      const next = this.#next();
      if (next) next.start();
      else this.#free++;
    }
  }

  #wait(name: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#size >= this.#places) this.#makeRoom(name);
    return new Promise((resolve, reject) => {
      const stopWaiting = (): void => {
        clearTimeout(late);
        signal?.removeEventListener('abort', giveUp);
        this.#remove(name, waiter);
      };
      const waiter: Waiter = {
        start: () => {
          stopWaiting();
          resolve();
        },
        refuse: (error) => {
          stopWaiting();
          reject(error);
        },
      };
      const giveUp = (): void => waiter.refuse(callerGone());
      const late =
        this.#longestWaitMs === undefined ? undefined : setTimeout(() => waiter.refuse(tooBusy()), this.#longestWaitMs);
      signal?.addEventListener('abort', giveUp, { once: true });
      const queue = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, queue);
      queue.push(waiter);
      this.#size++;
    });
  }

  /** @throws TOO_BUSY when no other name has more waiting than this one would have */
  #makeRoom(name: string): void {
    let longest: Waiter[] = [];
    for (const queue of this.#waiting.values()) if (queue.length > longest.length) longest = queue;
    const own = this.#waiting.get(name)?.length ?? 0;
    if (longest.length <= own + 1) throw tooBusy();
    longest.at(-1)?.refuse(tooBusy());
  }

  #remove(name: string, waiter: Waiter): void {
    const queue = this.#waiting.get(name) ?? [];
    queue.splice(queue.indexOf(waiter), 1);
    if (queue.length === 0) this.#waiting.delete(name);
    this.#size--;
  }

  /** The next to have its turn; its name moves behind the others. */
  #next(): Waiter | undefined {
    const [first] = this.#waiting;
    if (!first) return undefined;
    const [name, queue] = first;
    this.#waiting.delete(name);
    this.#waiting.set(name, queue);
    return queue[0];
  }
}

/** Both end its wait. */
interface Waiter {
  start(): void;
  refuse(error: Error): void;
}

const tooBusy = () =>
  resourceExhausted('TOO_BUSY', 'too many ask for this at the same time; try again in a moment', { retryAfterSeconds: 1 });

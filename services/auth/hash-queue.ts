import { Gauge } from '@prometheus-io/client';
import { callerGone, type MusubiError, resourceExhausted } from '#platform/errors.ts';
import { metrics } from '#platform/telemetry.ts';

const waiting = new Gauge({
  name: 'musubi_auth_hash_queue',
  help: 'Passwords waiting to be hashed, by lane',
  labelNames: ['lane'],
  registers: [metrics],
});

/**
 * Lanes take turns with each other, so none waits for what another brings:
 *
 * - `registration`: of new members, by those who may register some
 * - `device`: logins from a device that the member has logged in from before
 * - `known`: those from a source that it has logged in from before
 * - `unknown`: all other logins
 */
export type Lane = 'registration' | 'device' | 'known' | 'unknown';

/**
 * Whose hash it is, from the general to the particular. Those of one name take turns with each other, and so do the names
 * of one lane or of one wider name. A name that its bearer can have many of must come after one that it can not: it would
 * have a turn for each.
 */
export type Turn = readonly [lane: Lane, ...names: string[]];

/** Whoever has waited so long is told so, well before its caller gives up. */
const LONGEST_WAIT_MS = 10_000;

/** What one name may hold of a lane's places: the most particular one, and any wider one. */
const SHARES = { last: 1 / 8, wider: 1 / 2 };

interface Waiter {
  turn: Turn;
  /** Both end its wait. */
  start(): void;
  refuse(error: MusubiError): void;
}

/** Those who wait under one name; either those of the next names, or waiters in the order they came. */
class Branch {
  /** The next to have its turn comes first. */
  readonly children = new Map<string, Branch>();
  readonly waiters: Waiter[] = [];
  size = 0;

  longestChild(): Branch | undefined {
    let longest: Branch | undefined;
    for (const child of this.children.values()) if (!longest || child.size > longest.size) longest = child;
    return longest;
  }
}

/**
 * Runs a bounded number of hashes at once, the rest in turns. A password hash is expensive on purpose: without a
 * bound, a burst of logins would leave no CPU for anything else; and without turns, whoever asks most would be the
 * only one to be served.
 */
export class HashQueue {
  readonly #concurrency: number;
  readonly #places: number;
  readonly #longestWaitMs: number;
  readonly #root = new Branch();
  #running = 0;

  /**
   * @param concurrency how many run at once
   * @param places how many may wait in each lane
   * @param longestWaitMs how long
   */
  constructor(concurrency: number, places: number, longestWaitMs = LONGEST_WAIT_MS) {
    this.#concurrency = concurrency;
    this.#longestWaitMs = longestWaitMs;
    this.#places = places;
  }

  /**
   * @param signal a caller that gives up while it waits costs nothing
   * @throws TOO_BUSY when too many wait already, also later: for the sake of others who have fewer waiting, or when it
   *   takes too long; CALLER_GONE
   */
  async run<T>(turn: Turn, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) throw callerGone();
    if (this.#running < this.#concurrency) this.#running++;
    else await this.#wait(turn, signal);
    try {
      return await work();
    } finally {
      // A turn is handed on rather than freed, so that nobody overtakes those who wait.
      const next = this.#next();
      if (next) next.start();
      else this.#running--;
    }
  }

  #wait(turn: Turn, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#makeRoom(turn)) throw tooBusy();
    return new Promise((resolve, reject) => {
      const stopWaiting = (): void => {
        clearTimeout(late);
        signal?.removeEventListener('abort', giveUp);
        this.#remove(waiter);
      };
      const waiter: Waiter = {
        turn,
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
      const late = setTimeout(() => waiter.refuse(tooBusy()), this.#longestWaitMs);
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#add(waiter);
    });
  }

  /** The branches under which a turn waits, lane first; the root is not among them. */
  #along(turn: Turn): (Branch | undefined)[] {
    let branch: Branch | undefined = this.#root;
    return turn.map((name) => {
      branch = branch?.children.get(name);
      return branch;
    });
  }

  /**
   * Makes room for one more waiter. If its share is used up, the last waiter of the longest queue gives way, provided
   * that this queue is longer than the newcomer's would become: many requests of one do not displace the few of another.
   *
   * @returns whether there is room
   */
  #makeRoom(turn: Turn): boolean {
    const branches = this.#along(turn);
    // A place that is freed further inside is also one further outside.
    for (let depth = turn.length - 1; depth >= 0; depth--) {
      const branch = branches[depth];
      if ((branch?.size ?? 0) < this.#limit(turn, depth)) continue;
      const loser = branch && longestBeside(branch, turn, depth + 1);
      if (!loser) return false;
      loser.refuse(tooBusy());
    }
    return true;
  }

  /** What the name at this depth may hold. */
  #limit(turn: Turn, depth: number): number {
    if (depth === 0) return this.#places;
    return Math.ceil(this.#places * (depth === turn.length - 1 ? SHARES.last : SHARES.wider));
  }

  #add(waiter: Waiter): void {
    let branch = this.#root;
    branch.size++;
    for (const name of waiter.turn) {
      const child = branch.children.get(name) ?? new Branch();
      branch.children.set(name, child);
      child.size++;
      branch = child;
    }
    branch.waiters.push(waiter);
    this.#observe(waiter.turn);
  }

  #remove(waiter: Waiter): void {
    let branch = this.#root;
    branch.size--;
    for (const name of waiter.turn) {
      const child = branch.children.get(name);
      if (!child) return;
      child.size--;
      if (child.size === 0) branch.children.delete(name);
      branch = child;
    }
    branch.waiters.splice(branch.waiters.indexOf(waiter), 1);
    this.#observe(waiter.turn);
  }

  /** The next waiter. Each branch on its path moves behind its siblings (round robin). */
  #next(): Waiter | undefined {
    let branch = this.#root;
    for (;;) {
      const [first] = branch.children;
      if (!first) break;
      const [name, child] = first;
      branch.children.delete(name);
      branch.children.set(name, child);
      branch = child;
    }
    return branch.waiters[0];
  }

  #observe([lane]: Turn): void {
    waiting.set({ lane }, this.#root.children.get(lane)?.size ?? 0);
  }
}

/**
 * The last waiter of the branch's longest child, if that is longer than the turn's own would become; otherwise the search
 * goes one level deeper.
 */
function longestBeside(branch: Branch, turn: Turn, depth: number): Waiter | undefined {
  if (depth === turn.length) return undefined;
  const own = branch.children.get(turn[depth] ?? '');
  let longest = branch.longestChild();
  if (!longest || longest.size <= (own?.size ?? 0) + 1) return own && longestBeside(own, turn, depth + 1);
  for (let inner = longest.longestChild(); inner; inner = inner.longestChild()) longest = inner;
  return longest.waiters.at(-1);
}

const tooBusy = () => resourceExhausted('TOO_BUSY', 'too many logins at once; try again in a moment', { retryAfterSeconds: 1 });

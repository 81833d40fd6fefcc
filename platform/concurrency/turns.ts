import { callerGone, type MusubiError, resourceExhausted } from '../errors.ts';

/** From the general to the particular; a text alone is a path of one name. */
export type Path = string | readonly string[];

export interface TurnsOptions {
  /**
   * How many may wait; default: any number. A function says it of the name at a depth of a path: at 0 of all names together,
   * at 1 of the first name, and so on. When one more comes, somebody gets TOO_BUSY: see {@link Turns.take}.
   */
  places?: number | ((depth: number, path: readonly string[]) => number);
  /** After so long a wait the answer is TOO_BUSY, ms; default: never. */
  longestWaitMs?: number;
  /** The error of those for whom there is no place; default: TOO_BUSY in general words. */
  refusal?: () => MusubiError;
  /** Called whenever it changes how many wait under a first name. */
  onChange?: (name: string, waiting: number) => void;
}

/** Whose turn it is to be. */
export interface Turn {
  /**
   * Those of different names take turns with each other, those of one name come in their order. Names within one wider name
   * take turns in the same way. Default: one name for all.
   */
  name?: Path;
  /** Ends the wait when it aborts. */
  signal?: AbortSignal | undefined;
}

/** Both end its wait. */
interface Waiter {
  path: readonly string[];
  start(): void;
  refuse(error: Error): void;
}

/** Those who wait under one name: either those of the next names, or waiters in the order they came. */
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
 * Lets so many pieces of work run at once. The others wait for their turns, name by name (round robin), so that whoever
 * brings much does not keep out who brings little.
 */
export class Turns {
  #free: number;
  readonly #places: (depth: number, path: readonly string[]) => number;
  readonly #longestWaitMs: number | undefined;
  readonly #refusal: () => MusubiError;
  readonly #onChange: TurnsOptions['onChange'];
  readonly #root = new Branch();

  constructor(
    atOnce: number,
    { places = Number.POSITIVE_INFINITY, longestWaitMs, refusal = tooBusy, onChange }: TurnsOptions = {},
  ) {
    this.#free = atOnce;
    this.#places = typeof places === 'number' ? (depth) => (depth === 0 ? places : Number.POSITIVE_INFINITY) : places;
    this.#longestWaitMs = longestWaitMs;
    this.#refusal = refusal;
    this.#onChange = onChange;
  }

  /**
   * Runs the work when its turn comes.
   *
   * @throws TOO_BUSY when no place is free to wait at, or it was waited for too long. The last of the name that has most
   *   waiting gives its place up for a name that has fewer, so this may come later; CALLER_GONE once the signal has aborted
   */
  async take<T>(work: () => Promise<T>, { name = '', signal }: Turn = {}): Promise<T> {
    if (signal?.aborted) throw callerGone();
    if (this.#free > 0) this.#free--;
    else await this.#wait(typeof name === 'string' ? [name] : name, signal);
    try {
      return await work();
    } finally {
      // A turn is handed on rather than freed, so that nobody overtakes those who wait.
      const next = this.#next();
      if (next) next.start();
      else this.#free++;
    }
  }

  #wait(path: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    if (!this.#makeRoom(path)) throw this.#refusal();
    return new Promise((resolve, reject) => {
      const stopWaiting = (): void => {
        clearTimeout(late);
        signal?.removeEventListener('abort', giveUp);
        this.#remove(waiter);
      };
      const waiter: Waiter = {
        path,
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
        this.#longestWaitMs === undefined ? undefined : setTimeout(() => waiter.refuse(this.#refusal()), this.#longestWaitMs);
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#add(waiter);
    });
  }

  /**
   * Makes room for one more waiter. If a share is used up, the last waiter of the longest queue gives way, provided that
   * this queue is longer than the newcomer's would become: many requests of one do not displace the few of another.
   *
   * @returns whether there is room
   */
  #makeRoom(path: readonly string[]): boolean {
    const branches = this.#along(path);
    // A place that is freed further inside is also one further outside.
    for (let depth = path.length; depth >= 0; depth--) {
      const branch = branches[depth];
      if ((branch?.size ?? 0) < this.#places(depth, path)) continue;
      const loser = branch && longestBeside(branch, path, depth);
      if (!loser) return false;
      loser.refuse(this.#refusal());
    }
    return true;
  }

  /** The branches under which a path waits, by depth: the root first. */
  #along(path: readonly string[]): (Branch | undefined)[] {
    let branch: Branch | undefined = this.#root;
    const below = path.map((name) => {
      branch = branch?.children.get(name);
      return branch;
    });
    return [this.#root, ...below];
  }

  #add(waiter: Waiter): void {
    let branch = this.#root;
    branch.size++;
    for (const name of waiter.path) {
      const child = branch.children.get(name) ?? new Branch();
      branch.children.set(name, child);
      child.size++;
      branch = child;
    }
    branch.waiters.push(waiter);
    this.#tell(waiter);
  }

  #remove(waiter: Waiter): void {
    let branch = this.#root;
    branch.size--;
    for (const name of waiter.path) {
      const child = branch.children.get(name);
      if (!child) return;
      child.size--;
      if (child.size === 0) branch.children.delete(name);
      branch = child;
    }
    branch.waiters.splice(branch.waiters.indexOf(waiter), 1);
    this.#tell(waiter);
  }

  /** The next to have its turn. Each branch on its path moves behind its siblings. */
  #next(): Waiter | undefined {
    let branch = this.#root;
    for (;;) {
      const [first] = branch.children;
      if (!first) return branch.waiters[0];
      const [name, child] = first;
      branch.children.delete(name);
      branch.children.set(name, child);
      branch = child;
    }
  }

  #tell({ path: [name = ''] }: Waiter): void {
    this.#onChange?.(name, this.#root.children.get(name)?.size ?? 0);
  }
}

/**
 * The last waiter of the branch's longest child, if that is longer than the path's own would become; otherwise the search
 * goes one level deeper.
 */
function longestBeside(branch: Branch, path: readonly string[], depth: number): Waiter | undefined {
  if (depth === path.length) return undefined;
  const own = branch.children.get(path[depth] ?? '');
  let longest = branch.longestChild();
  if (!longest || longest.size <= (own?.size ?? 0) + 1) return own && longestBeside(own, path, depth + 1);
  for (let inner = longest.longestChild(); inner; inner = inner.longestChild()) longest = inner;
  return longest.waiters.at(-1);
}

const tooBusy = () =>
  resourceExhausted('TOO_BUSY', 'too many ask for this at the same time; try again in a moment', { retryAfterSeconds: 1 });

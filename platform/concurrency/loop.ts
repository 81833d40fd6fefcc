import { reasonOf } from '../errors.ts';
import type { Logger } from '../process/log.ts';
import { atMost, pause } from './abort.ts';
import { Backoff } from './backoff.ts';

/** One run of a loop's work. */
export interface Run {
  /** Aborts when the loop is stopped. */
  signal: AbortSignal;
  /** To be called by work that does not end once it works. */
  works(): void;
}

export interface LoopOptions {
  /** What the work is, in the log: 'the relay'. */
  name: string;
  log: Logger;
  /** Further fields of each log line. */
  fields?: object;
  /** How long after a run that succeeded the next begins, ms. Default: as after a failure, for work that ends only when it lost something. */
  everyMs?: number;
  /** The caller has done the work once: the first run is due after `everyMs`. Default: now. */
  later?: boolean;
  /** The pauses after failures, ms: see {@link Backoff}. Default: 200 to 3,000. */
  firstPauseMs?: number;
  longestPauseMs?: number;
}

export interface Loop {
  /** Why the work does not succeed now; undefined while it does. */
  readonly problem: string | undefined;
  /** For probes. @throws an error with the problem, if there is one */
  check(): void;
  /**
   * Begins no further run, and resolves when the present one has ended. Never rejects.
   *
   * @param atMostMs how long that is waited for, where the end of the run does not matter; default: as long as it takes
   */
  stop(atMostMs?: number): Promise<void>;
}

/**
 * Repeats work until it is stopped, also when it fails: a session that must always be up, or what is due from time to time.
 * After a failure it pauses, a little longer each time. A problem is logged once until it changes, and its end, too.
 */
export function startLoop(work: (run: Run) => Promise<unknown>, options: LoopOptions): Loop {
  return new RunningLoop(work, options);
}

class RunningLoop implements Loop {
  readonly #work: (run: Run) => Promise<unknown>;
  readonly #options: LoopOptions;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  readonly #ended: Promise<void>;
  #problem: string | undefined;
  /** The problem that was logged last, and is not over. */
  #logged: string | undefined;

  constructor(work: (run: Run) => Promise<unknown>, options: LoopOptions) {
    this.#work = work;
    this.#options = options;
    this.#backoff = new Backoff(options.firstPauseMs, options.longestPauseMs);
    this.#problem = options.later ? undefined : 'it has just begun';
    this.#ended = this.#run(options.later ? (options.everyMs ?? 0) : 0);
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  check(): void {
    if (this.#problem !== undefined) throw new Error(this.#problem);
  }

  async stop(atMostMs?: number): Promise<void> {
    this.#stop.abort();
    await (atMostMs === undefined ? this.#ended : atMost(atMostMs, this.#ended));
  }

  async #run(firstAfterMs: number): Promise<void> {
    const { signal } = this.#stop;
    // What is done in the background keeps no process alive.
    if (firstAfterMs > 0) await pause(firstAfterMs, signal, false);
    while (!signal.aborted) await pause(await this.#once(signal), signal, false);
  }

  /** @returns when the next run is due, ms from now */
  async #once(signal: AbortSignal): Promise<number> {
    const { everyMs } = this.#options;
    const begun = performance.now();
    try {
      // A signal of its own, so that its listeners go with the run.
      await this.#work({ signal: AbortSignal.any([signal]), works: () => this.#works() });
      this.#works();
      if (everyMs === undefined) return this.#backoff.next(performance.now() - begun);
      this.#backoff.reset();
      return everyMs;
    } catch (error) {
      const pauseMs = this.#backoff.next(performance.now() - begun);
      this.#fails(error, pauseMs);
      return pauseMs;
    }
  }

  #fails(error: unknown, pauseMs: number): void {
    const { name, log, fields } = this.#options;
    const reason = reasonOf(error);
    this.#problem = reason;
    // The stack and every single try are for those who look for them.
    log.debug({ err: error, pauseMs, ...fields }, `${name} failed`);
    if (reason === this.#logged || this.#stop.signal.aborted) return;
    this.#logged = reason;
    log.warn({ reason, ...fields }, `${name} failed, and is tried until it succeeds`);
  }

  #works(): void {
    const { name, log, fields } = this.#options;
    this.#problem = undefined;
    if (this.#logged === undefined) return;
    this.#logged = undefined;
    log.info(fields ?? {}, `${name} succeeds again`);
  }
}

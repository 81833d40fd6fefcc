import { within } from '../concurrency/abort.ts';
import { reasonOf } from '../errors.ts';
import type { Logger } from './log.ts';

/** Phases of a stop, in order: everything of one phase is stopped side by side, then the next begins. */
const PHASES = ['intake', 'work', 'stores', 'telemetry'] as const;
/**
 * - `intake`: what lets new work in (HTTP and gRPC servers, consumers, pollers); stopping drains what runs
 * - `work`: background loops
 * - `stores`: clients of databases, brokers and peers
 * - `telemetry`: last, so that the stop itself is seen
 */
export type Phase = (typeof PHASES)[number];

interface Stoppable {
  name: string;
  phase: Phase;
  stop: () => unknown;
}

type Check = () => unknown;

/**
 * What a program has started, so that it can be asked whether it is ready, and stopped in order.
 * Stopping twice is stopping once.
 */
export class Lifecycle {
  readonly #log: Logger;
  readonly #stopTimeoutMs: number;
  readonly #stoppables: Stoppable[] = [];
  readonly #essentials = new Map<string, Check>();
  readonly #others = new Map<string, Check>();
  readonly #findings = new Map<string, Check>();
  #started = false;
  #stopped: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(log: Logger, stopTimeoutMs: number) {
    this.#log = log;
    this.#stopTimeoutMs = stopTimeoutMs;
  }

  /** Registers something that was started. Within a phase, later ones do not wait for earlier ones. */
  onStop(name: string, phase: Phase, stop: Stoppable['stop']): void {
    this.#stoppables.push({ name, phase, stop });
  }

  /**
   * Registers something that the program can do nothing useful without. The check throws, or does not answer in a
   * second, while it is away; meanwhile the program is not ready, and its process gets no requests.
   */
  onReady(name: string, check: Check): void {
    this.#essentials.set(name, check);
  }

  /** Registers something that a part of the work needs: while its check fails the program is degraded, and does the rest. */
  onHealthy(name: string, check: Check): void {
    this.#others.set(name, check);
  }

  /**
   * Registers something that only people can settle: nothing is away, but while the check fails somebody has to look.
   * The program is then as degraded to alarms, but a start need not wait for it.
   */
  onAttention(name: string, check: Check): void {
    this.#findings.set(name, check);
  }

  markStarted(): void {
    this.#started = true;
  }

  get stopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Aborts when the process begins to stop. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** The essentials that are away now, by name with the reason; empty when the program is ready. */
  async unready(): Promise<Record<string, string>> {
    if (this.stopping) return { process: 'is stopping' };
    if (!this.#started) return { process: 'is starting' };
    return failing(this.#essentials);
  }

  /** What is away now and not essential, by name with the reason; empty when all the work can be done, if the program is ready. */
  degraded(): Promise<Record<string, string>> {
    return failing(this.#others);
  }

  /** What waits for somebody to look at it, by name with the reason. */
  attention(): Promise<Record<string, string>> {
    return failing(this.#findings);
  }

  /**
   * Stops everything, phase by phase. Rejects never: what fails or takes too long is logged.
   *
   * @param timeoutMs how long that may take. Default: as long as the settings say
   */
  stop(reason: string, timeoutMs = this.#stopTimeoutMs): Promise<void> {
    this.#stopped ??= this.#stop(reason, timeoutMs);
    return this.#stopped;
  }

  async #stop(reason: string, timeoutMs: number): Promise<void> {
    this.#log.info({ reason }, 'stopping');
    this.#stopping.abort();
    const deadline = performance.now() + timeoutMs;
    for (const phase of PHASES) {
      const here = this.#stoppables.filter((item) => item.phase === phase);
      await Promise.all(
        here.map(async ({ name, stop }) => {
          try {
            await within(Math.max(100, deadline - performance.now()), Promise.try(stop));
          } catch (error) {
            this.#log.warn({ err: error, name, phase }, 'did not stop in order');
          }
        }),
      );
    }
    this.#log.info('stopped');
  }
}

async function failing(checks: ReadonlyMap<string, Check>): Promise<Record<string, string>> {
  const failed: Record<string, string> = {};
  await Promise.all(
    [...checks].map(async ([name, check]) => {
      try {
        await within(1_000, Promise.try(check));
      } catch (error) {
        failed[name] = reasonOf(error);
      }
    }),
  );
  return failed;
}

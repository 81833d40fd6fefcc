import { pause } from '#platform/concurrency/abort.ts';
import { MusubiError } from '#platform/errors.ts';
import { logDefect } from '#platform/process/log.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import type { Gateway } from '../gateway.ts';

/** Longer than a request to start a workflow may be under way. */
const START_MAY_ARRIVE_MS = 30_000;
/** How often such jobs are looked at. */
const SWEEP_EVERY_MS = 5_000;
/** Jobs that are remembered; the ones beyond expire by themselves. */
const CAPACITY = 1_000;

interface Needs extends Pick<Gateway, 'commands' | 'log' | 'stopping'> {
  job: Pick<Gateway['job'], 'finishJob'>;
}

/**
 * Sees to the jobs whose start failed and whose clients have no key to repeat it with: they must not stay queued.
 *
 * A failed start does not say that nothing was started, and a job that is called failed while its saga runs would
 * be a lie. So it waits until no start can arrive any more, then asks for a cancellation: a saga that nobody knows
 * was never started, and the job fails; one that did start is undone, and ends its job itself.
 *
 * One loop for all of them, one job at a time: a server that is away is asked as often for many jobs as for one.
 * Best effort: should this process end first, the jobs expire.
 */
export class AbandonedJobs {
  readonly #gateway: Needs;
  readonly #times: { startMayArriveMs: number; sweepMs: number };
  readonly #capacity: number;
  /** By job, since when, ms; the next to be tried first. */
  readonly #since = new Map<string, number>();
  #running = false;

  constructor(gateway: Needs, { startMayArriveMs = START_MAY_ARRIVE_MS, sweepMs = SWEEP_EVERY_MS, capacity = CAPACITY } = {}) {
    this.#gateway = gateway;
    this.#times = { startMayArriveMs, sweepMs };
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#since.size;
  }

  add(jobId: string): void {
    if (this.#since.size >= this.#capacity) {
      this.#gateway.log.warn({ jobId }, 'a job that was not started stays queued until it expires: too many of them');
      return;
    }
    this.#since.set(jobId, performance.now());
    if (!this.#running) this.#run().catch(logDefect(this.#gateway.log, 'jobs that were not started are not looked after'));
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#since.size > 0 && !this.#gateway.stopping.aborted) {
        // A process that stops does not wait for this.
        await pause(this.#times.sweepMs, this.#gateway.stopping, false);
        await this.#sweep();
      }
    } finally {
      this.#running = false;
    }
  }

  async #sweep(): Promise<void> {
    for (const [jobId, since] of [...this.#since]) {
      if (this.#gateway.stopping.aborted) return;
      if (performance.now() - since < this.#times.startMayArriveMs) continue;
      const again = await this.#settle(jobId);
      this.#since.delete(jobId);
      if (!again) continue;
      // It moves to the end of the queue, and the sweep stops: the other jobs would fail for the same reason.
      this.#since.set(jobId, since);
      return;
    }
  }

  /** @returns whether to try again, as something is away */
  async #settle(jobId: string): Promise<boolean> {
    const { commands, job, log } = this.#gateway;
    try {
      if ((await commands.cancelCommand(jobId)) !== 'unknown') return false;
      const message = 'The command could not be started; nothing was changed.';
      const error = { code: 'NOT_STARTED', message, errors: [], grpcStatus: 'UNAVAILABLE' };
      const progress = { done: 0, total: 0, step: 'not started' };
      await job.finishJob({ jobId, state: JobState.JOB_STATE_FAILED, resultJson: '', error, progress });
      return false;
    } catch (error) {
      if (error instanceof MusubiError && error.retryable) return true;
      log.warn({ err: error, jobId }, 'a job that was not started stays queued until it expires');
      return false;
    }
  }
}

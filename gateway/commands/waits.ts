import { logDefect } from '#platform/process/log.ts';
import type { Job } from '#proto/musubi/job/v1/job.ts';
import type { Gateway } from '../gateway.ts';
import { MAX_WAIT_SECONDS } from '../http/prefer.ts';
import { isFinal } from './carry-out.ts';

/** How much may be waited for at a time in one process. Whoever asks for more is answered at once. */
export interface WaitLimits {
  /** Requests of one member. */
  perMember: number;
  /** Jobs of all members: each takes one of the calls that a connection to Job has under way (1,000 at most). */
  jobs: number;
}

/** A member may wait for as many jobs as it may have under way. Half of the calls to Job are left to all that does not wait. */
const WAIT_LIMITS: WaitLimits = { perMember: 128, jobs: 512 };

const MAX_WAIT_MS = MAX_WAIT_SECONDS * 1_000;
/** An answer of Job that comes so much sooner than it was asked for says that Job stops. */
const SOON_MS = 500;

/**
 * The requests that wait for jobs to end. All that wait for the same job share one call to Job, so that those who wait,
 * however many they are, leave Job to those who do not.
 */
export class Waits {
  readonly #gateway: Pick<Gateway, 'job' | 'log' | 'stopping'>;
  readonly #limits: WaitLimits;
  readonly #jobs = new Map<string, SharedWait>();
  /** How many requests of each member wait. */
  readonly #members = new Map<string, number>();

  constructor(gateway: Pick<Gateway, 'job' | 'log' | 'stopping'>, limits = WAIT_LIMITS) {
    this.#gateway = gateway;
    this.#limits = limits;
  }

  /**
   * Begins to wait up to `ms` for a job to end.
   *
   * @param left ends the wait when it aborts
   * @returns undefined when too much is waited for already; otherwise the job once it is final, or as it is after the
   *   wait; undefined in its place when the wait ended early, or Job could not be asked
   */
  begin(memberId: string, jobId: string, ms: number, left: AbortSignal): Promise<Job | undefined> | undefined {
    const own = this.#members.get(memberId) ?? 0;
    const known = this.#jobs.get(jobId);
    if (own >= this.#limits.perMember || (!known && this.#jobs.size >= this.#limits.jobs)) return undefined;
    this.#members.set(memberId, own + 1);
    return (known ?? this.#share(jobId)).join(ms, left).finally(() => {
      const others = (this.#members.get(memberId) ?? 1) - 1;
      if (others > 0) this.#members.set(memberId, others);
      else this.#members.delete(memberId);
    });
  }

  #share(jobId: string): SharedWait {
    const wait = new SharedWait(this.#gateway, jobId, () => {
      if (this.#jobs.get(jobId) === wait) this.#jobs.delete(jobId);
    });
    this.#jobs.set(jobId, wait);
    return wait;
  }
}

type Tell = (job: Job | undefined | Promise<Job | undefined>) => void;

/** The one call of all that wait for a job. */
class SharedWait {
  readonly #gateway: Pick<Gateway, 'job' | 'log' | 'stopping'>;
  readonly #jobId: string;
  readonly #over: () => void;
  readonly #waiting = new Set<Tell>();
  readonly #unwanted = new AbortController();
  #look: Promise<Job | undefined> | undefined;

  /** @param over is called when nobody may join any more; perhaps twice */
  constructor(gateway: Pick<Gateway, 'job' | 'log' | 'stopping'>, jobId: string, over: () => void) {
    this.#gateway = gateway;
    this.#jobId = jobId;
    this.#over = over;
    this.#untilFinal()
      .then((job) => this.#tellAll(job))
      .catch((error: unknown) => {
        // The job goes on, whether it can be asked for or not.
        gateway.log.debug({ err: error, jobId }, 'a job could not be waited for');
        this.#tellAll(undefined);
      })
      .catch(logDefect(gateway.log, 'those who wait for a job were not told of it'));
  }

  join(ms: number, left: AbortSignal): Promise<Job | undefined> {
    return new Promise((resolve) => {
      const tell: Tell = (job) => {
        clearTimeout(late);
        left.removeEventListener('abort', leave);
        this.#waiting.delete(tell);
        resolve(job);
        if (this.#waiting.size > 0) return;
        this.#over();
        this.#unwanted.abort();
      };
      const leave = (): void => tell(undefined);
      const late = setTimeout(() => tell(this.#asItIs()), ms);
      left.addEventListener('abort', leave, { once: true });
      this.#waiting.add(tell);
      if (left.aborted) leave();
    });
  }

  #tellAll(job: Job | undefined): void {
    this.#over();
    for (const tell of [...this.#waiting]) tell(job);
  }

  /** Asks again while it has not ended, for those who joined later. */
  async #untilFinal(): Promise<Job | undefined> {
    const { job: peer, stopping } = this.#gateway;
    const signal = AbortSignal.any([stopping, this.#unwanted.signal]);
    for (;;) {
      const begun = performance.now();
      const { job } = await peer.awaitJob(
        { jobId: this.#jobId, waitMs: MAX_WAIT_MS },
        { timeoutMs: MAX_WAIT_MS + 1_000, signal },
      );
      if (!job || isFinal(job) || performance.now() - begun < MAX_WAIT_MS - SOON_MS) return job;
    }
  }

  /** The same look for all whose wait ends at the same time. */
  #asItIs(): Promise<Job | undefined> {
    const { job: peer, stopping, log } = this.#gateway;
    this.#look ??= peer
      .getJob({ jobId: this.#jobId }, { signal: stopping })
      .then(
        ({ job }) => job,
        (error: unknown) => {
          log.debug({ err: error, jobId: this.#jobId }, 'a job could not be read after the wait for it');
          return undefined;
        },
      )
      .finally(() => {
        this.#look = undefined;
      });
    return this.#look;
  }
}

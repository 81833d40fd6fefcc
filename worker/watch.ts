import type { Client } from '@temporalio/client';
import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import { startLoop } from '#platform/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '#platform/timeouts.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { examine, QUIET_MS, type Sources, unfinishedJobs } from './unfinished-jobs.ts';

/** How often unfinished jobs are looked at. */
const LOOK_EVERY_MS = 60_000;
/** A queued job without a workflow may wait for its client's repeat, which starts it. */
const REPEAT_MAY_COME_MS = 600_000;

/**
 * Looks now and then, a page at a time, whether the workflows of unfinished jobs are still there. A job that its workflow
 * has ended, of which Job's record is older, is ended at once. One whose workflow was closed from outside, or is gone, is
 * a matter for people, who may have closed it on purpose: that is told as a finding (`attention`).
 *
 * @param connected the client, while there is a connection
 */
export function watchJobs(
  {
    connected,
    job,
    own,
    log,
    lifecycle,
  }: { connected: () => Client | undefined; job: Sources['job']; own?: Sources['own']; log: Logger; lifecycle: Lifecycle },
  { everyMs = LOOK_EVERY_MS, quietMs = QUIET_MS, repeatMayComeMs = REPEAT_MAY_COME_MS } = {},
): void {
  const isQueued = ({ state }: Job): boolean => state === JobState.JOB_STATE_QUEUED;
  const rounds = [new Round(quietMs, (one) => !isQueued(one)), new Round(repeatMayComeMs, isQueued)];
  const look = async (): Promise<void> => {
    const client = connected();
    if (!client) return;
    const looks = await Promise.allSettled(rounds.map((round) => round.look({ client, job, own }, log)));
    for (const one of looks) if (one.status === 'rejected') throw one.reason;
  };
  // Who is away is told by its own probe.
  const loop = startLoop(look, { name: 'the watch over unfinished jobs', log, everyMs, longestPauseMs: everyMs });
  lifecycle.onStop('unfinished jobs', 'work', () => loop.stop(LOOP_STOP_TIMEOUT_MS));
  lifecycle.onAttention('unfinished jobs', () => {
    const first = rounds.find(({ standing }) => standing.count > 0)?.standing.first;
    if (first === undefined) return;
    const others = rounds.reduce((sum, { standing }) => sum + standing.count, -1);
    const which = others === 0 ? `job ${first}` : `job ${first} and ${others} more`;
    throw new Error(`${which} can not end, as the workflow was closed or is gone: node main.ts repair --list`);
  });
}

interface Standing {
  count: number;
  first?: string;
}

/** Goes through all unfinished jobs, a page a look, and then from the beginning. */
class Round {
  /** The jobs that can not end, as the last round found, or this one, if it has found more. */
  standing: Standing = { count: 0 };
  #found: Standing = { count: 0 };
  #pageToken = '';
  readonly #quietMs: number;
  readonly #isMeant: (job: Job) => boolean;

  /** @param isMeant which jobs it is for */
  constructor(quietMs: number, isMeant: (job: Job) => boolean) {
    this.#quietMs = quietMs;
    this.#isMeant = isMeant;
  }

  async look(sources: Sources, log: Logger): Promise<void> {
    const pageToken = this.#pageToken;
    this.#pageToken = ''; // Should this look fail, the next round begins.
    const page = await unfinishedJobs(sources, pageToken, this.#quietMs);
    if (pageToken === '') this.#found = { count: 0 };
    for (const one of page.jobs.filter(this.#isMeant)) {
      try {
        await this.#lookAt(one, sources, log);
      } catch (error) {
        // It holds up no other.
        log.warn({ err: error, jobId: one.jobId }, 'what became of an unfinished job could not be seen; it is looked at again');
      }
    }
    if (page.nextPageToken === '' || this.#found.count > this.standing.count) this.standing = this.#found;
    this.#pageToken = page.nextPageToken;
  }

  async #lookAt(one: Job, sources: Sources, log: Logger): Promise<void> {
    const { repair, apply } = await examine(sources, one);
    if (repair === 'finish') {
      await apply();
      log.warn({ jobId: one.jobId }, 'a job whose end was lost is ended again');
    } else if (repair !== 'nothing') {
      this.#found = { count: this.#found.count + 1, first: this.#found.first ?? one.jobId };
    }
  }
}

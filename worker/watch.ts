import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Lifecycle } from '#platform/lifecycle.ts';
import { type Logger, logDefect } from '#platform/log.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { examine, QUIET_MS, type Sources, unfinishedJobs } from './unfinished-jobs.ts';

/** How often it is looked after jobs that have not ended, ms. */
const LOOK_EVERY_MS = 60_000;
/** A queued job without a workflow may wait for its client's repeat, which starts it, ms. */
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
    log,
    lifecycle,
  }: { connected: () => Client | undefined; job: Sources['job']; log: Logger; lifecycle: Lifecycle },
  { everyMs = LOOK_EVERY_MS, quietMs = QUIET_MS, repeatMayComeMs = REPEAT_MAY_COME_MS } = {},
): void {
  /** The jobs that stand, as the last round through all of them found; and as far as this round is. */
  let standing: string[] = [];
  let found: string[] = [];
  let pageToken = '';

  const stands = ({ state, updatedAt }: Job): boolean =>
    state !== JobState.JOB_STATE_QUEUED || Date.now() - (updatedAt?.getTime() ?? 0) > repeatMayComeMs;

  const look = async (client: Client): Promise<void> => {
    const sources = { client, job };
    const page = await unfinishedJobs(sources, pageToken, quietMs);
    for (const one of page.jobs) {
      const { repair, apply } = await examine(sources, one);
      if (repair === 'finish') {
        await apply();
        log.warn({ jobId: one.jobId }, 'a job whose end was lost is ended again');
      } else if (repair !== 'nothing' && (repair !== 'recover' || stands(one))) {
        found.push(one.jobId);
      }
    }
    if (found.length > standing.length || page.nextPageToken === '') standing = [...found];
    if (page.nextPageToken === '') found = [];
    pageToken = page.nextPageToken;
  };

  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const client = connected();
        if (client) await look(client);
      } catch (error) {
        // From the beginning the next time. Who is away is told by its own probe.
        [found, pageToken] = [[], ''];
        log.debug({ err: error }, 'unfinished jobs could not be looked after');
      }
      await delay(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  };
  run().catch(logDefect(log, 'unfinished jobs are not looked after'));
  lifecycle.onStop('unfinished jobs', 'work', () => stopping.abort());
  lifecycle.onAttention('unfinished jobs', () => {
    const [first] = standing;
    if (first === undefined) return;
    const count = standing.length === 1 ? '' : ` and ${standing.length - 1} more`;
    throw new Error(`job ${first}${count} can not end, as its workflow was closed or is gone: node main.ts repair --list`);
  });
}

import type { Client } from '@temporalio/client';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { sparing } from '#platform/process/probe.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { type Regular, regular } from './schedules.ts';
import { examine, QUIET_MS, type Sources, unfinishedJobs } from './unfinished-jobs.ts';

/** A queued job without a workflow may wait for its client's repeat, which starts it, ms. */
const REPEAT_MAY_COME_MS = 600_000;
/** A look takes no longer, ms: those that nothing was heard of for longest come first. */
const LOOK_MS = 30_000;

/** The jobs that can not end, as a look has found. */
export interface Standing {
  count: number;
  first?: string;
}

/**
 * Looks whether the workflows of unfinished jobs are still there. A job that its workflow has ended, of which Job's record
 * is older, is ended at once. One whose workflow was closed from outside, or is gone, is a matter for people, who may have
 * closed it on purpose: it is counted.
 */
export async function lookAtUnfinishedJobs(
  sources: Sources,
  log: Logger,
  { quietMs = QUIET_MS, repeatMayComeMs = REPEAT_MAY_COME_MS } = {},
): Promise<Standing> {
  const isQueued = ({ state }: Job): boolean => state === JobState.JOB_STATE_QUEUED;
  const standing: Standing = { count: 0 };
  const until = performance.now() + LOOK_MS;
  for (const [quiet, isMeant] of [[quietMs, (job: Job) => !isQueued(job)] as const, [repeatMayComeMs, isQueued] as const]) {
    let pageToken = '';
    do {
      const page = await unfinishedJobs(sources, pageToken, quiet);
      for (const job of page.jobs.filter(isMeant)) {
        if (await isStanding(job, sources, log)) {
          standing.count++;
          standing.first ??= job.jobId;
        }
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== '' && performance.now() < until);
  }
  return standing;
}

async function isStanding(job: Job, sources: Sources, log: Logger): Promise<boolean> {
  const { jobId } = job;
  try {
    const { repair, apply } = await examine(sources, job);
    if (repair === 'nothing') return false;
    if (repair !== 'finish') return true;
    await apply();
    log.warn({ jobId }, 'a job whose end was lost is ended again');
  } catch (error) {
    // It holds up no other.
    log.warn({ err: error, jobId }, 'what became of an unfinished job could not be seen; it is looked at again');
  }
  return false;
}

/**
 * Tells as a finding (`attention`) of the jobs that can not end, as the last look of the Schedule found, and when nobody looks.
 *
 * @param connected the client, while there is a connection
 * @param readEveryMs how often it is read what the last look found, at most
 */
export function tellOfUnfinishedJobs(
  lifecycle: Lifecycle,
  connected: () => Client | undefined,
  { readEveryMs = 5_000 } = {},
): void {
  let seen: Regular<Standing> | undefined;
  const read = sparing(async () => {
    const client = connected();
    const now = await client?.withDeadline(Date.now() + 1_000, () => regular<Standing>(client, 'upkeep.unfinishedJobs'));
    if (now) seen = { ...now, last: now.last ?? seen?.last };
  }, readEveryMs);
  lifecycle.onAttention('unfinished jobs', async () => {
    // Temporal's own probe says whether it is away.
    await read().catch(() => undefined);
    if (seen?.isPaused) throw new Error('nobody looks for them, as the Schedule upkeep.unfinishedJobs is paused: unpause it');
    const { first, count } = seen?.last ?? { count: 0 };
    if (first === undefined) return;
    const which = count === 1 ? `job ${first}` : `job ${first} and ${count - 1} more`;
    throw new Error(`${which} can not end, as the workflow was closed or is gone: node main.ts repair --list`);
  });
}

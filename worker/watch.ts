import type { Client } from '@temporalio/client';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { sparing } from '#platform/process/probe.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { SCHEDULES, type ScheduleId } from '../temporal.config.ts';
import type { ErasureReport } from './erasures.ts';
import type { Report } from './reconcile/findings.ts';
import { type Regular, regular } from './schedules.ts';
import { examine, QUIET_MS, type Sources, unfinishedJobs } from './unfinished-jobs.ts';

/** A queued job without a workflow may wait for its client's repeat, which starts it, ms. */
const REPEAT_MAY_COME_MS = 600_000;
/** So many times its interval no run of a Schedule may need: what it does is then not done. */
const LATE_INTERVALS = 10;
/** A look takes no longer, ms: those that nothing was heard of for longest come first. */
const LOOK_MS = 30_000;

/** The jobs that can not end, as a look has found. */
export interface Unending {
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
): Promise<Unending> {
  const isQueued = ({ state }: Job): boolean => state === JobState.JOB_STATE_QUEUED;
  const unending: Unending = { count: 0 };
  const until = performance.now() + LOOK_MS;
  for (const [quiet, isMeant] of [[quietMs, (job: Job) => !isQueued(job)] as const, [repeatMayComeMs, isQueued] as const]) {
    let pageToken = '';
    do {
      const page = await unfinishedJobs(sources, pageToken, quiet);
      for (const job of page.jobs.filter(isMeant)) {
        if (await isUnending(job, sources, log)) {
          unending.count++;
          unending.first ??= job.jobId;
        }
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== '' && performance.now() < until);
  }
  return unending;
}

async function isUnending(job: Job, sources: Sources, log: Logger): Promise<boolean> {
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

/** Tells of the jobs that can not end, as the last look of the Schedule found. */
export const tellOfUnfinishedJobs = telling<Unending>({
  name: 'unfinished jobs',
  id: 'upkeep.unfinishedJobs',
  unwatched: 'nobody looks for them',
  finding: findingOf,
});

function findingOf({ first, count }: Unending): string | undefined {
  const jobs = count === 1 ? `job ${first}` : `job ${first} and ${count - 1} more`;
  return first && `${jobs} can not end, as the workflow was closed or is gone: node main.ts repair --list`;
}

/** What a look has found, for those who look at it in the Web UI. */
export function unendingInWords(unending: Unending): string {
  const found = findingOf(unending);
  return found ? `**${found[0]?.toUpperCase()}${found.slice(1)}**` : 'Each job that has not ended has its workflow.';
}

/** Tells of deleted members of whom something is kept though they were deleted a day ago, as the last run of the Schedule found. */
export const tellOfErasures = telling<ErasureReport>({
  name: 'erasures',
  id: 'upkeep.erasures',
  unwatched: 'deleted members are not erased',
  finding: ({ overdue: { first, count } }) =>
    first &&
    `${count === 1 ? `member ${first}` : `member ${first} and ${count - 1} more`} can not be erased within a day: node main.ts erasures`,
});

/** Tells of what Auth has of members, roles and groups that is not what their services have, and that only people can put right. */
export const tellOfDrift = telling<Report>({
  name: 'drift',
  id: 'upkeep.reconcile',
  unwatched: 'Auth is not compared with Member, Role, Group and Position',
  finding: ({ left: [first], leftInAll }) =>
    first &&
    `${first.kind} of ${first.id}${leftInAll === 1 ? '' : ` (and ${leftInAll - 1} more)`} can not be put right (${first.code}): the last run of upkeep.reconcile in the Web UI names what differs`,
});

/** What is told of regular work, and when nobody does it. */
interface Telling<Result> {
  /** The finding's. */
  name: string;
  id: ScheduleId;
  /** What it means that its Schedule is paused, or no run of it gets through. */
  unwatched: string;
  /** What is found; undefined: all is well. */
  finding(result: Result): string | undefined;
}

/**
 * Tells as a finding (`attention`) what regular work has found at last; when its Schedule is paused; and when for long no run has got
 * through, while this process was there to see one.
 *
 * @returns to be called with the client, while there is a connection; `readEveryMs`: how often the result is read, at most;
 *   `lateAfterMs`: how long is long, by default ten times the Schedule's interval
 */
function telling<Result>({ name, id, unwatched, finding }: Telling<Result>) {
  return (
    lifecycle: Lifecycle,
    connected: () => Client | undefined,
    { readEveryMs = 5_000, lateAfterMs = LATE_INTERVALS * SCHEDULES[id].everyMs } = {},
  ): void => {
    const begunAt = Date.now();
    let seen: Regular<Result> | undefined;
    const read = sparing(async () => {
      const client = connected();
      const now = await client?.withDeadline(Date.now() + 1_000, () => regular<Result>(client, id));
      if (now) seen = { ...now, last: now.last ?? seen?.last };
    }, readEveryMs);
    lifecycle.onAttention(name, async () => {
      // Temporal's own probe says whether it is away.
      await read().catch(() => undefined);
      if (!seen) return;
      const { isPaused, last } = seen;
      if (isPaused) throw new Error(`${unwatched}, as the Schedule ${id} is paused: unpause it`);
      const found = last && finding(last.result);
      if (found) throw new Error(found);
      if (Date.now() - Math.max(begunAt, last?.at.getTime() ?? 0) <= lateAfterMs) return;
      const since = last ? `since ${last.at.toISOString()}` : 'so far';
      throw new Error(`${unwatched}: no run of ${id} has got through ${since}; its run in the Web UI says what it waits for`);
    });
  };
}

import { CancellationScope, scheduleActivity, scheduleLocalActivity, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { FinishJobRequest, JobError, JobProgress } from '#proto/musubi/job/v1/job.ts';
import {
  BEST_EFFORT,
  jobOf,
  QUICK,
  SEARCH_ATTRIBUTES,
  UNTIL_VISIBLE,
  VISIBLE_ATTEMPT_MS,
  VISIBLE_WITHIN_MS,
} from '../temporal.config.ts';
import type { Details } from './details.ts';
import { mustStep, services } from './step.ts';

const { job, query } = services;

// The end that all sagas share. Nothing here can be cancelled or can fail: a job that a client waits for always ends.

/**
 * Ends the job as COMPLETED once queries see what was written; says APPLIED meanwhile if that takes long.
 *
 * @param total how many steps it had
 */
export async function completeJob(details: Details, total: number, result: object, written: AggregateVersion[]): Promise<void> {
  const resultJson = JSON.stringify(result);
  const progress = { done: total, total };
  const parts = inParts(written);
  const [first = []] = parts;
  // Of many only the first are waited for within the workflow task: the others would hold it for too long.
  const visible = parts.length <= 1 && (written.length === 0 || (await visibleSoon(details, first)));
  if (!visible) {
    details.say('Applied; waiting until queries see it.');
    await finish(details, { state: 'JOB_STATE_APPLIED', resultJson, progress: { ...progress, step: 'until queries see it' } });
    const options = { attempts: UNTIL_VISIBLE, quick: false };
    await details.row('until queries see it', async () => {
      for (const versions of parts) {
        const wait = { versions, waitMs: VISIBLE_ATTEMPT_MS };
        await mustStep(details, query.awaitVersions, call('awaitVersions'), wait, options);
      }
    });
  }
  await finish(details, { state: 'JOB_STATE_COMPLETED', resultJson, progress: { ...progress, step: 'done' } });
  details.say(`Done: all ${total} steps.`);
}

/** The most that Query takes in one request. */
const VERSIONS_AT_ONCE = 100;

function inParts(versions: AggregateVersion[]): AggregateVersion[][] {
  const parts: AggregateVersion[][] = [];
  for (let at = 0; at < versions.length; at += VERSIONS_AT_ONCE) parts.push(versions.slice(at, at + VERSIONS_AT_ONCE));
  return parts;
}

/** Ends the job as FAILED, everything being undone. */
export function failJob(details: Details, error: JobError, progress: JobProgress): Promise<void> {
  return finish(details, { state: 'JOB_STATE_FAILED', error, progress });
}

/** Ends the job as CANCELLED, everything being undone. */
export function cancelJob(details: Details, progress: JobProgress): Promise<void> {
  return finish(details, { state: 'JOB_STATE_CANCELLED', progress });
}

/**
 * Says on the job that it is being undone. May be lost: the undos' own reports and the job's end say it again.
 *
 * It is a regular activity so that the history has the decision, and why, before the first undo is tried. If a worker
 * died while it undid and the history did not say so, the next worker would try the steps again and take OPERATION_UNDONE
 * for the reason.
 *
 * @param why what the timeline says of it: there, the marker of a step that was refused looks like any other
 */
export function reportCompensating(why: string, progress: JobProgress, error: JobError | null): Promise<void> {
  return report(why, progress, error);
}

/**
 * Says on the job how far it is, between the items of a long list.
 *
 * @param compensating because of what it is being undone (null: it was cancelled); absent: it is not
 */
export function reportProgress(progress: JobProgress, compensating?: JobError | null): Promise<void> {
  return report(`${progress.step}: ${progress.done} of ${progress.total}`, progress, compensating);
}

/** As a regular activity: what comes after it is another workflow task. */
async function report(summary: string, progress: JobProgress, compensating?: JobError | null): Promise<void> {
  const state = compensating === undefined ? 'JOB_STATE_RUNNING' : 'JOB_STATE_COMPENSATING';
  const request = { jobId: jobOf(workflowInfo().workflowId), state, progress, error: compensating ?? undefined };
  try {
    await CancellationScope.nonCancellable(() =>
      scheduleActivity('job.reportProgress', [call('reportProgress'), request], { ...BEST_EFFORT, summary }),
    );
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
  }
}

/** One try within the first workflow task: the projection is usually there in milliseconds. */
async function visibleSoon(details: Details, versions: AggregateVersion[]): Promise<boolean> {
  try {
    const wait = { versions, waitMs: VISIBLE_WITHIN_MS };
    await details.row(
      'until queries see it',
      () =>
        scheduleLocalActivity('query.awaitVersions', [call('awaitVersions'), wait], {
          ...QUICK,
          retry: { maximumAttempts: 1 },
          summary: 'until queries see it',
        }),
      () => 'not yet',
    );
    return true;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    return false;
  }
}

async function finish(
  details: Details,
  end: Pick<FinishJobRequest, 'state' | 'progress'> & Partial<FinishJobRequest>,
): Promise<void> {
  const { workflowId: jobId, typedSearchAttributes: attributes } = workflowInfo();
  // Job's store may have lost its record of the job. By this it can end the job and tell its owner all the same.
  const issuedFor = {
    command: attributes.get(SEARCH_ATTRIBUTES.command),
    memberId: attributes.get(SEARCH_ATTRIBUTES.member),
    aggregateId: attributes.get(SEARCH_ATTRIBUTES.aggregate),
  };
  const request: FinishJobRequest = { jobId, ...issuedFor, resultJson: '', error: undefined, ...end };
  await mustStep(details, job.finishJob, call('finishJob'), request);
}

function call(name: string) {
  return { operationId: `${workflowInfo().workflowId}/${name}` };
}

import { scheduleActivity, scheduleLocalActivity, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { FinishJobRequest, JobError, JobProgress } from '#proto/musubi/job/v1/job.ts';
import {
  BEST_EFFORT,
  QUICK,
  SEARCH_ATTRIBUTES,
  UNTIL_VISIBLE,
  VISIBLE_ATTEMPT_MS,
  VISIBLE_WITHIN_MS,
} from '../temporal.config.ts';
import type { Account } from './account.ts';
import { job, mustStep, query } from './step.ts';

// The end that all sagas share. Nothing here can be cancelled or can fail: a job that a client waits for always ends.

/**
 * Ends the job as COMPLETED once queries see what was written; says APPLIED meanwhile if that takes long.
 *
 * @param total how many steps it had
 */
export async function completeJob(account: Account, total: number, result: object, written: AggregateVersion[]): Promise<void> {
  const resultJson = JSON.stringify(result);
  const progress = { done: total, total };
  if (written.length > 0 && !(await visibleSoon(account, written))) {
    account.say('Applied; waiting until queries see it.');
    await finish(account, { state: 'JOB_STATE_APPLIED', resultJson, progress: { ...progress, step: 'until queries see it' } });
    const wait = { versions: written, waitMs: VISIBLE_ATTEMPT_MS };
    const options = { attempts: UNTIL_VISIBLE, quick: false };
    await account.row('until queries see it', () => mustStep(account, query.awaitVersions, call('awaitVersions'), wait, options));
  }
  await finish(account, { state: 'JOB_STATE_COMPLETED', resultJson, progress: { ...progress, step: 'done' } });
  account.say(`Done: all ${total} steps.`);
}

/** Ends the job as FAILED, everything being undone. */
export function failJob(account: Account, error: JobError, progress: JobProgress): Promise<void> {
  return finish(account, { state: 'JOB_STATE_FAILED', error, progress });
}

/** Ends the job as CANCELLED, everything being undone. */
export function cancelJob(account: Account, progress: JobProgress): Promise<void> {
  return finish(account, { state: 'JOB_STATE_CANCELLED', progress });
}

/**
 * Says on the job that it is being undone. May be lost: the undos' own reports and the job's end say it again.
 *
 * It is a regular activity so that the history has the decision, and why, before the first undo is tried. A worker
 * that died while it undid would else have its steps asked anew, and OPERATION_UNDONE taken for the reason.
 *
 * @param why what the timeline says of it: there, the marker of a step that was refused looks like any other
 */
export async function reportCompensating(why: string, progress: JobProgress, error: JobError | null): Promise<void> {
  const report = { jobId: workflowInfo().workflowId, state: 'JOB_STATE_COMPENSATING', progress, error: error ?? undefined };
  try {
    await scheduleActivity('job.reportProgress', [call('reportProgress'), report], { ...BEST_EFFORT, summary: why });
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
  }
}

/** One try within the first workflow task: the projection is usually there in milliseconds. */
async function visibleSoon(account: Account, versions: AggregateVersion[]): Promise<boolean> {
  try {
    const wait = { versions, waitMs: VISIBLE_WITHIN_MS };
    await account.row(
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
  account: Account,
  end: Pick<FinishJobRequest, 'state' | 'progress'> & Partial<FinishJobRequest>,
): Promise<void> {
  const { workflowId: jobId, typedSearchAttributes: attributes } = workflowInfo();
  // Job's store may have lost its record of the job: it is ended, and its owner told, all the same.
  const issuedFor = {
    command: attributes.get(SEARCH_ATTRIBUTES.command),
    memberId: attributes.get(SEARCH_ATTRIBUTES.member),
    aggregateId: attributes.get(SEARCH_ATTRIBUTES.aggregate),
  };
  const request: FinishJobRequest = { jobId, ...issuedFor, resultJson: '', error: undefined, ...end };
  await mustStep(account, job.finishJob, call('finishJob'), request);
}

function call(name: string) {
  return { operationId: `${workflowInfo().workflowId}/${name}` };
}

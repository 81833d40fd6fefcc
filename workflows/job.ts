import { scheduleActivity, scheduleLocalActivity, setCurrentDetails, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { FinishJobRequest, JobError } from '#proto/musubi/job/v1/job.ts';
import { BEST_EFFORT, QUICK, VISIBLE_ATTEMPT_MS, VISIBLE_WITHIN_MS } from '../temporal.config.ts';
import { job, mustStep, query } from './step.ts';

// The end that all sagas share. Nothing here can be cancelled or can fail: a job that a client waits for always ends.

/** Ends the job as COMPLETED once queries see what was written; says APPLIED meanwhile if that takes long. */
export async function completeJob(result: object, written: AggregateVersion[]): Promise<void> {
  const resultJson = JSON.stringify(result);
  if (written.length > 0 && !(await visibleSoon(written))) {
    setCurrentDetails('Applied; waiting until queries see it.');
    await finish({ state: 'JOB_STATE_APPLIED', resultJson });
    const wait = { versions: written, waitMs: VISIBLE_ATTEMPT_MS - 1_000 };
    await mustStep(query.awaitVersions, call('awaitVersions'), wait, { attemptMs: VISIBLE_ATTEMPT_MS, quick: false });
  }
  await finish({ state: 'JOB_STATE_COMPLETED', resultJson });
  setCurrentDetails('Done.');
}

export function failJob(error: JobError): Promise<void> {
  return finish({ state: 'JOB_STATE_FAILED', error });
}

export function cancelJob(): Promise<void> {
  return finish({ state: 'JOB_STATE_CANCELLED' });
}

/**
 * Says on the job that it is being undone. May be lost: the undos' own reports and the job's end say it again.
 *
 * It is a regular activity so that the history has the decision, and why, before the first undo is tried. A worker
 * that died while it undid would else have its steps asked anew, and OPERATION_UNDONE taken for the reason.
 */
export async function reportCompensating(
  progress: { done: number; total: number; step: string },
  error: JobError | null,
): Promise<void> {
  const report = { jobId: workflowInfo().workflowId, state: 'JOB_STATE_COMPENSATING', progress, error: error ?? undefined };
  try {
    await scheduleActivity('job.reportProgress', [call('reportProgress'), report], { ...BEST_EFFORT, summary: 'compensating' });
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
  }
}

/** One try within the first workflow task: the projection is usually there in milliseconds. */
async function visibleSoon(versions: AggregateVersion[]): Promise<boolean> {
  try {
    const wait = { versions, waitMs: VISIBLE_WITHIN_MS };
    await scheduleLocalActivity('query.awaitVersions', [call('awaitVersions'), wait], {
      ...QUICK,
      retry: { maximumAttempts: 1 },
    });
    return true;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    return false;
  }
}

async function finish(end: Pick<FinishJobRequest, 'state'> & Partial<FinishJobRequest>): Promise<void> {
  const request: FinishJobRequest = { jobId: workflowInfo().workflowId, resultJson: '', error: undefined, ...end };
  await mustStep(job.finishJob, call('finishJob'), request);
}

function call(name: string) {
  return { operationId: `${workflowInfo().workflowId}/${name}` };
}

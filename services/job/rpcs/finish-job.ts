import { failedPrecondition } from '#platform/errors.ts';
import type { Logger } from '#platform/log.ts';
import { CONTRADICTION, type Finish, finish, isFinal, type Retention } from '../domain.ts';
import { jobSeconds } from '../metrics.ts';
import type { JobStore } from '../store.ts';
import { changeJob } from './change-job.ts';

/**
 * Sets APPLIED or a final state, publishes it, and wakes those who await it. A final state is set
 * once: repeats, and other final states, change nothing. Neither does finishing a job that has
 * expired: nobody can ask for it any more, and the saga must not fail for that.
 *
 * @throws FAILED_PRECONDITION `JOB_STATE_CONFLICT` when what was undone is called done, or the reverse
 */
export async function finishJob(store: JobStore, retention: Retention, log: Logger, jobId: string, told: Finish): Promise<void> {
  const { found, written } = await changeJob(store, jobId, (job, now) => {
    const after = finish(job, told, now, retention);
    if (after !== CONTRADICTION) return after;
    throw failedPrecondition('JOB_STATE_CONFLICT', `a job that is ${job.state} can not become ${told.state}`);
  });
  if (!found) log.warn({ jobId, state: told.state }, 'the end of a job that is not there');
  if (written && isFinal(written.state)) {
    jobSeconds.observe({ command: written.command, outcome: written.state }, (written.updatedAt - written.createdAt) / 1_000);
  }
}

import { failedPrecondition } from '#platform/errors.ts';
import type { Logger } from '#platform/process/log.ts';
import { timeOfId } from '#platform/validation/id.ts';
import { CONTRADICTION, type Finish, finish, finishLost, isFinal, type Origin, type Retention, UNCHANGED } from '../domain.ts';
import { jobSeconds } from '../metrics.ts';
import type { JobStore } from '../store.ts';
import { changeJob } from './change-job.ts';

/**
 * Sets APPLIED or a final state, publishes it, and wakes those who await it. A final state is set
 * once: repeats, and other final states, change nothing. Neither does finishing a job that has
 * expired: nobody can ask for it any more, and the saga must not fail for that. A job whose record is lost is
 * written again as it has ended.
 *
 * @param origin what it was issued for; absent (a worker of an earlier release): a lost job stays lost
 * @throws FAILED_PRECONDITION `JOB_STATE_CONFLICT` when what was undone is called done, or the reverse
 */
export async function finishJob(
  { store, retention, log }: { store: JobStore; retention: Retention; log: Logger },
  jobId: string,
  told: Finish,
  origin?: Origin,
): Promise<void> {
  const possible = (state: string, after: ReturnType<typeof finish>) => {
    if (after !== CONTRADICTION) return after;
    throw failedPrecondition('JOB_STATE_CONFLICT', `a job that is ${state} can not become ${told.state}`);
  };
  const { found, written } = await changeJob(
    store,
    jobId,
    (job, now) => possible(job.state, finish(job, told, now, retention)),
    (now) => {
      if (!origin) return UNCHANGED;
      const lost = { ...origin, id: jobId, issuedAt: timeOfId(jobId) ?? 0 };
      return possible('lost', finishLost(lost, told, now, retention));
    },
  );
  if (!found) {
    const what = written ? 'the record of a job was lost; its end is written all the same' : 'the end of a job that is not there';
    log.warn({ jobId, state: told.state }, what);
  }
  if (written && isFinal(written.state)) {
    jobSeconds.observe({ command: written.command, outcome: written.state }, (written.updatedAt - written.createdAt) / 1_000);
  }
}

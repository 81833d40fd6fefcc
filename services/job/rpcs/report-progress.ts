import type { Logger } from '#platform/process/log.ts';
import { type Report, type Retention, report } from '../domain.ts';
import type { JobStore } from '../store.ts';
import { changeJob } from './change-job.ts';

/**
 * Tells how far the job is. Late and repeated reports change nothing. Neither do reports about a
 * job that has expired: nobody can ask for it any more, and the saga must not fail for that.
 */
export async function reportProgress(
  store: JobStore,
  retention: Retention,
  log: Logger,
  jobId: string,
  told: Report,
): Promise<void> {
  const { found } = await changeJob(store, jobId, (job, now) => report(job, told, now, retention));
  if (!found) log.warn({ jobId, state: told.state }, 'a report about a job that is not there');
}

import type { CallInfo } from '#platform/grpc/server.ts';
import { isFinal, type Job } from '../domain.ts';
import type { Finished } from '../finished.ts';
import type { JobStore } from '../store.ts';
import { getJob } from './get-job.ts';

/** Left to bring the answer home before the caller's deadline. */
const HOMEWARD_MS = 500;

/**
 * The job once it is final; the job as it is after `waitMs`, shortly before the caller's deadline,
 * or when this process stops.
 *
 * @throws NOT_FOUND `JOB_NOT_FOUND`
 */
export async function awaitJob(
  store: JobStore,
  finished: Finished,
  jobId: string,
  waitMs: number,
  { signal, deadline }: CallInfo,
): Promise<Job> {
  const patience = Math.max(0, Math.min(waitMs, deadline.getTime() - HOMEWARD_MS - Date.now()));
  let over = false;
  // Listening begins before looking: a job that finishes in between wakes us.
  let wake = Promise.withResolvers<void>();
  const stopWatching = finished.watch(jobId, () => wake.resolve());
  const giveUp = (): void => {
    over = true;
    wake.resolve();
  };
  signal.addEventListener('abort', giveUp, { once: true });
  const timer = setTimeout(giveUp, patience);
  try {
    for (;;) {
      const job = await getJob(store, jobId);
      if (isFinal(job.state) || over || signal.aborted || finished.stopping) return job;
      await wake.promise;
      wake = Promise.withResolvers();
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    stopWatching();
  }
}

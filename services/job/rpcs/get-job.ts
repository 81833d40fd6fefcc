import { notFound } from '#platform/errors.ts';
import { isId } from '#platform/validation/id.ts';
import type { Job } from '../domain.ts';
import type { JobStore } from '../store.ts';

/** @throws NOT_FOUND `JOB_NOT_FOUND` when it was never issued, or has expired */
export async function getJob(store: JobStore, jobId: string): Promise<Job> {
  // What is no ID could name another key of the store: a member's list of jobs, say.
  const job = isId(jobId) ? await store.read(jobId) : undefined;
  if (!job) throw notFound('JOB_NOT_FOUND', 'there is no such job; finished jobs are kept for a limited time');
  return job;
}

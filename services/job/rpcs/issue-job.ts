import { resourceExhausted } from '#platform/errors.ts';
import { newId } from '#platform/validation/id.ts';
import { issue, type Job, type Retention } from '../domain.ts';
import { jobsIssued } from '../metrics.ts';
import { keyReused } from '../refusals.ts';
import type { JobStore } from '../store.ts';

export type Asked = Pick<Job, 'command' | 'memberId' | 'aggregateId' | 'idempotencyKey' | 'fingerprint'> & {
  /** As how many jobs it counts among those that its member issues over time. */
  cost: number;
};

/**
 * Issues a job, or finds the one that the member's idempotency key was used for: calls at the same
 * time get the same job, because the script that looks also writes. A repeat takes no place of its own.
 *
 * @throws FAILED_PRECONDITION `IDEMPOTENCY_KEY_REUSED` when the key was used for another request;
 *   RESOURCE_EXHAUSTED `TOO_MANY_JOBS` while all its member's places are taken, or those on the aggregate, and when the
 *   member has issued too many of late
 */
export async function issueJob(
  store: JobStore,
  retention: Retention,
  { cost, ...asked }: Asked,
): Promise<{ job: Job; reused: boolean }> {
  for (;;) {
    const job = issue({ ...asked, id: newId() }, await store.now(), retention);
    const written = await store.write(job, 0, cost);
    if (written.outcome === 'conflict') {
      throw keyReused();
    }
    if (written.outcome === 'member full' || written.outcome === 'aggregate full') {
      const what = written.outcome === 'member full' ? 'you have too many jobs' : 'you have too many jobs on this';
      throw resourceExhausted('TOO_MANY_JOBS', `${what} under way; wait until one has ended`, { retryAfterSeconds: 1 });
    }
    if (written.outcome === 'too fast') {
      const retryAfterSeconds = Math.ceil(written.waitMs / 1_000);
      throw resourceExhausted('TOO_MANY_JOBS', 'you have sent too many commands of late; try again later', { retryAfterSeconds });
    }
    const known = written.outcome === 'reused' ? await store.read(written.jobId) : job;
    // The job of then may expire between the two reads: the key is free then.
    if (!known) continue;
    jobsIssued.inc({ command: job.command, reused: String(known !== job) });
    return { job: known, reused: known !== job };
  }
}

import { failedPrecondition } from '#platform/errors.ts';
import { newId } from '#platform/id.ts';
import { issue, type Job, type Retention } from '../domain.ts';
import { jobsIssued } from '../metrics.ts';
import type { JobStore } from '../store.ts';

export type Asked = Pick<Job, 'command' | 'memberId' | 'aggregateId' | 'idempotencyKey' | 'fingerprint'>;

/**
 * Issues a job, or finds the one that the member's idempotency key was used for: calls at the same
 * time get the same job, because the script that looks also writes.
 *
 * @throws FAILED_PRECONDITION `IDEMPOTENCY_KEY_REUSED` when the key was used for something else
 */
export async function issueJob(store: JobStore, retention: Retention, asked: Asked): Promise<{ job: Job; reused: boolean }> {
  for (;;) {
    const job = issue({ ...asked, id: newId() }, Date.now(), retention);
    const written = await store.write(job);
    if (written.outcome === 'conflict') {
      throw failedPrecondition('IDEMPOTENCY_KEY_REUSED', 'this idempotency key was used for another request', {
        fields: [{ field: 'idempotencyKey', code: 'TAKEN', message: 'was used for another request; use a new one' }],
      });
    }
    const known = written.outcome === 'reused' ? await store.read(written.jobId) : job;
    // The job of then may expire between the two reads: the key is free then.
    if (!known) continue;
    jobsIssued.inc({ command: job.command, reused: String(known !== job) });
    return { job: known, reused: known !== job };
  }
}

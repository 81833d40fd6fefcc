import type { Job } from '../domain.ts';
import { keyReused } from '../refusals.ts';
import type { JobStore } from '../store.ts';

/**
 * The job that the member's idempotency key was used for; undefined: the key is free.
 * @throws FAILED_PRECONDITION `IDEMPOTENCY_KEY_REUSED` when it was used for another request
 */
export async function findJob(
  store: JobStore,
  { memberId, idempotencyKey, fingerprint }: Pick<Job, 'memberId' | 'idempotencyKey' | 'fingerprint'>,
): Promise<Job | undefined> {
  const known = await store.keyUse(memberId, idempotencyKey);
  const job = known && (await store.read(known.jobId));
  if (job && known.fingerprint !== fingerprint) throw keyReused();
  return job;
}

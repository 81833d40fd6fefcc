import { aborted } from '#platform/errors.ts';
import { type Job, UNCHANGED } from '../domain.ts';
import type { JobStore } from '../store.ts';

/** A job is changed by its one workflow; more collisions in a row than this are somebody's endless loop. */
const ATTEMPTS = 20;

/**
 * Reads the job, computes the change, of now by the store's clock, and writes it if nobody changed the job meanwhile; otherwise it begins again.
 * The rules of the job make repeats harmless, so no operation record is needed.
 *
 * @param instead what to write where there is no such job; default: nothing
 * @returns whether there is such a job, and the job as it was written if anything changed
 */
export async function changeJob(
  store: JobStore,
  id: string,
  change: (job: Job, now: number) => Job | typeof UNCHANGED,
  instead: (now: number) => Job | typeof UNCHANGED = () => UNCHANGED,
): Promise<{ found: boolean; written?: Job }> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [before, now] = await Promise.all([store.read(id), store.now()]);
    const found = before !== undefined;
    const after = found ? change(before, now) : instead(now);
    if (after === UNCHANGED) return { found };
    if ((await store.write(after, before?.version ?? 0)).outcome === 'written') return { found, written: after };
  }
  throw aborted('JOB_BUSY');
}

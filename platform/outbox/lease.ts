import { randomUUID } from 'node:crypto';
import { sleep } from './source.ts';

/** Where a lease is kept: one owner at a time, until it lets go or is silent for the lease's time. */
export interface LeaseStore {
  /** Takes the lease for `ms`, or renews it; false when somebody else has it. */
  take(owner: string, ms: number): Promise<boolean>;
  release(owner: string): Promise<void>;
}

/** How long an owner may be silent before another takes over. */
const LEASE_MS = 5_000;
const RENEW_MS = 1_500;
const STANDBY_MS = 1_000;

/**
 * Waits for the lease and does `work` while it is held. When the lease is lost, `work`'s signal aborts and this throws.
 * A holder that was paused may go on for a moment beside its successor: what `work` does must bear that (a repeated
 * publication does).
 */
export async function underLease(
  store: LeaseStore,
  signal: AbortSignal,
  standBy: () => void,
  work: (owner: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const owner = randomUUID();
  while (!(await store.take(owner, LEASE_MS))) {
    standBy();
    await sleep(STANDBY_MS, signal);
    if (signal.aborted) return;
  }
  const lost = new AbortController();
  const keep = async (): Promise<void> => {
    try {
      if (await store.take(owner, LEASE_MS)) return;
      lost.abort(new Error('another relay has taken the lease'));
    } catch (error) {
      lost.abort(error);
    }
  };
  const renewal = setInterval(() => void keep(), RENEW_MS);
  try {
    await work(owner, AbortSignal.any([signal, lost.signal]));
    if (lost.signal.aborted) throw lost.signal.reason;
  } finally {
    clearInterval(renewal);
    await store.release(owner).catch(() => undefined);
  }
}

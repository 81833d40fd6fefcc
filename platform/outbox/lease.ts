import { randomUUID } from 'node:crypto';
import { sleep, within } from './source.ts';

/**
 * Where a lease is kept: one owner at a time, until it lets go or is silent for the lease's time, which the store's
 * clock measures. No clocks of two hosts are compared.
 */
export interface LeaseStore {
  /** Takes the lease for `ms`, or renews it; false when somebody else has it. */
  take(owner: string, ms: number): Promise<boolean>;
  release(owner: string): Promise<void>;
}

/** How long an owner may be silent before another takes over. */
export const LEASE_MS = 5_000;
const RENEW_MS = 1_500;
const STANDBY_MS = 1_000;
/** How long a server that does not answer is waited for when the lease is given back: it ends by itself. */
const RELEASE_MS = 1_000;

/**
 * Waits for the lease and does `work` while it is held. When the lease is lost, or can not be renewed for as long as it
 * lasts, `work`'s signal aborts and this throws. A holder that was paused may go on for a moment beside its successor:
 * what `work` does must bear that (a repeated publication does).
 */
export async function underLease(
  store: LeaseStore,
  signal: AbortSignal,
  standBy: () => Promise<void>,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const owner = randomUUID();
  let asked = performance.now();
  while (!(await store.take(owner, LEASE_MS))) {
    await standBy();
    await sleep(STANDBY_MS, signal);
    if (signal.aborted) return;
    asked = performance.now();
  }
  const lost = new AbortController();
  let until = asked + LEASE_MS;
  const renew = async (): Promise<void> => {
    if (performance.now() > until) return lost.abort(new Error('the lease could not be renewed in time'));
    const now = performance.now();
    try {
      if (await store.take(owner, LEASE_MS)) until = now + LEASE_MS;
      else lost.abort(new Error('another relay has taken the lease'));
    } catch (error) {
      lost.abort(error);
    }
  };
  const renewal = setInterval(() => void renew(), RENEW_MS);
  try {
    await work(AbortSignal.any([signal, lost.signal]));
    if (lost.signal.aborted) throw lost.signal.reason;
  } finally {
    clearInterval(renewal);
    await within(RELEASE_MS, store.release(owner));
  }
}

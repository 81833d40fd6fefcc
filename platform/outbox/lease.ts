import { randomUUID } from 'node:crypto';
import { atMost, pause, whenAborted, within } from '../concurrency/abort.ts';
import { CLOSE_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { every } from './source.ts';

/**
 * Where a lease is kept: one owner at a time, until it lets go or is silent for the lease's time, which the store's
 * clock measures. No clocks of two hosts are compared.
 */
export interface LeaseStore {
  /** Takes the lease for `ms`, or renews it; false when another has it. */
  take(owner: string, ms: number): Promise<boolean>;
  release(owner: string): Promise<void>;
}

/** How long an owner may be silent before another takes over. */
export const LEASE_MS = 5_000;
const RENEW_EVERY_MS = 1_500;
const STAND_BY_EVERY_MS = 1_000;
/** How long work may take to end once it should. What hangs longer is left to itself. */
const END_TIMEOUT_MS = 10_000;

/**
 * Waits for the lease and does `work` while it is held. When the lease is lost, or can not be renewed for as long as it
 * lasts, `work`'s signal aborts and this throws. A holder that was paused may go on for a moment beside its successor:
 * what `work` does must bear that (a repeated publication does).
 *
 * @param standBy is called every second while another has the lease
 */
export async function underLease(
  store: LeaseStore,
  signal: AbortSignal,
  standBy: () => Promise<void>,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const owner = randomUUID();
  const answer = <T>(asked: Promise<T>): Promise<T> => within(LEASE_MS, asked, () => new Error('the store does not answer'));
  const take = (): Promise<boolean> => answer(store.take(owner, LEASE_MS));
  while (!(await take())) {
    await answer(standBy());
    await pause(STAND_BY_EVERY_MS, signal);
    if (signal.aborted) return;
  }
  const lost = new AbortController();
  const renew = async (): Promise<void> => {
    if (!(await take())) throw new Error('another relay has taken the lease');
  };
  every(RENEW_EVERY_MS, lost.signal, renew).catch((error: unknown) => lost.abort(error));
  const either = AbortSignal.any([signal, lost.signal]);
  try {
    const working = work(either);
    await Promise.race([working, whenAborted(either)]);
    await atMost(END_TIMEOUT_MS, working);
    if (lost.signal.aborted) throw lost.signal.reason;
  } finally {
    lost.abort();
    await atMost(CLOSE_TIMEOUT_MS, store.release(owner));
  }
}

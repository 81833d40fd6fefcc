import { randomUUID } from 'node:crypto';
import { whenAborted } from '../abort.ts';
import { every, sleep, within } from './source.ts';

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
/** How long work may take to end once it should. What hangs longer is left to itself. */
const END_MS = 10_000;

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
  const take = (): Promise<boolean> => answered(store.take(owner, LEASE_MS));
  while (!(await take())) {
    await answered(standBy());
    await sleep(STANDBY_MS, signal);
    if (signal.aborted) return;
  }
  const lost = new AbortController();
  const renew = async (): Promise<void> => {
    if (!(await take())) throw new Error('another relay has taken the lease');
  };
  every(RENEW_MS, lost.signal, renew).catch((error: unknown) => lost.abort(error));
  const either = AbortSignal.any([signal, lost.signal]);
  try {
    await ended(work(either), either);
    if (lost.signal.aborted) throw lost.signal.reason;
  } finally {
    lost.abort();
    await within(RELEASE_MS, store.release(owner));
  }
}

/** Waits for the end of work, but not for long once it should end. */
async function ended(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([work, whenAborted(signal).then(() => sleep(END_MS, over.signal))]);
  } finally {
    over.abort();
  }
}

/** Rejects when the store has not answered for as long as a lease lasts. */
async function answered<T>(asked: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = sleep(LEASE_MS, over.signal).then(() => {
    throw new Error('the store does not answer');
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([asked, late]);
  } finally {
    over.abort();
  }
}

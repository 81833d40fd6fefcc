import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when the signal aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * Resolves after `ms` milliseconds, or as soon as the signal aborts.
 *
 * @param ref whether a process goes on for this alone; default: it does
 */
export async function pause(ms: number, signal: AbortSignal, ref = true): Promise<void> {
  await sleep(ms, undefined, { signal, ref }).catch(() => undefined);
}

/** The outcome of `work`. @throws `late()` when there is none within `ms` milliseconds */
export async function within<T>(
  ms: number,
  work: Promise<T>,
  late = (): Error => new Error(`no answer within ${ms} ms`),
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits up to `ms` milliseconds for the end of work that may hang because its server does. Never rejects. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  await within(ms, work).catch(() => undefined);
}

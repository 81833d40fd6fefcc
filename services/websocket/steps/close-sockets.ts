import { setTimeout as sleep } from 'node:timers/promises';
import { aborted } from '#platform/errors.ts';
import type { SocketStore } from '../store.ts';

/** How long one call waits: longer than a client whose session has ended may take to say goodbye. */
const WAIT_MS = 1_500;
const LOOK_EVERY_MS = 20;
/** They are asked again with every so many looks: a process may not have heard it, or have been letting one in just then. */
const LOOKS_PER_ASKING = 10;

/**
 * Has every socket of the member ask Auth whether its session is good, and answers once the member has none left, whichever
 * process holds it. Idempotent; nothing is kept of it.
 *
 * @throws SOCKETS_OPEN (retryable): Auth still calls a session good, Auth or a process does not answer
 */
export async function closeSockets(store: SocketStore, memberId: string, signal: AbortSignal): Promise<void> {
  const end = performance.now() + WAIT_MS;
  for (let look = 0; ; look++) {
    const open = look % LOOKS_PER_ASKING === 0 ? await store.close(memberId) : await store.count(memberId);
    if (open === 0) return;
    if (signal.aborted || performance.now() > end) throw aborted('SOCKETS_OPEN');
    await sleep(LOOK_EVERY_MS);
  }
}

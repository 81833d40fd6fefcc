import type { SocketStore } from '../store.ts';
import { untilVouched } from '../vouched.ts';

/**
 * Has every socket of the member ask Auth whether its session is good, whichever process holds it, and answers once each is closed, or was
 * vouched for since. Idempotent; nothing is kept of it.
 */
export async function closeSockets(store: SocketStore, memberId: string): Promise<void> {
  await untilVouched(store, [memberId], await store.close(memberId));
}

import type { SocketStore } from '../store.ts';
import { untilVouched } from '../vouched.ts';

/**
 * Has every socket that follows jobs of others ask Auth what it may follow still, whichever process holds it, and answers once each has
 * ended the rest. Idempotent; nothing is kept of it.
 *
 * @param memberId the only one whom it concerns; default: all members
 */
export async function narrowSockets(store: SocketStore, memberId?: string): Promise<void> {
  const { number, memberIds } = await store.narrow(memberId);
  await untilVouched(store, memberIds, number);
}

import type { SocketStore } from '../store.ts';
import { untilVouched } from '../vouched.ts';

/**
 * Has every socket that follows what is others' ask Auth what it may follow still, whichever process holds it, and answers once each has
 * ended the rest. Idempotent; nothing is kept of it.
 *
 * @param memberIds the only ones whom it concerns; default: all members
 */
export async function narrowSockets(store: SocketStore, memberIds?: readonly string[]): Promise<void> {
  if (memberIds?.length === 0) return;
  const { number, memberIds: following } = await store.narrow(memberIds);
  await untilVouched(store, following, number);
}

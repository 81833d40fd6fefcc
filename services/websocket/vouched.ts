import { setTimeout as sleep } from 'node:timers/promises';
import { VOUCH_WITHIN_MS } from './domain.ts';
import { socketsCutOff } from './metrics.ts';
import type { SocketStore } from './store.ts';

const LOOK_EVERY_MS = 20;
/** They are asked again with every so many looks: a process may not have heard it. */
const LOOKS_PER_ASKING = 10;

/**
 * Waits until each socket of these members is closed, or Auth has vouched for it and for what it follows, since a closing or
 * narrowing. Those of which neither is known in time (a process stands still, Auth does not answer) are cut off: they get no event
 * before Auth has vouched for them.
 */
export async function untilVouched(store: SocketStore, memberIds: readonly string[], closing: number): Promise<void> {
  const end = performance.now() + VOUCH_WITHIN_MS;
  for (let look = 1, left = memberIds; left.length > 0; look++) {
    const counts = await Promise.all(left.map((memberId) => store.unvouched(memberId, closing)));
    left = left.filter((_, index) => counts[index] !== 0);
    if (left.length === 0) return;
    if (performance.now() > end) {
      for (const count of await Promise.all(left.map((memberId) => store.cutOff(memberId, closing)))) socketsCutOff.inc(count);
      return;
    }
    if (look % LOOKS_PER_ASKING === 0) await store.recheck(left);
    await sleep(LOOK_EVERY_MS);
  }
}

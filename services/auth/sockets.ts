import { unavailable } from '#platform/errors.ts';
import type { Auth } from './auth.ts';

/** Less than the callers of Auth wait. */
const CLOSE_TIMEOUT_MS = 3_000;

/**
 * Has the sockets of a member closed whose sessions have ended, on every process: called before it is acknowledged that they have.
 *
 * @throws SOCKETS_OPEN when that is not known in time
 */
export async function closeSockets({ sockets, log }: Pick<Auth, 'sockets' | 'log'>, memberId: string): Promise<void> {
  try {
    await sockets.closeSockets({ operationId: '', memberId }, { timeoutMs: CLOSE_TIMEOUT_MS });
  } catch (err) {
    log.warn({ err, memberId }, 'a session has ended, and its sockets may still be open');
    throw unavailable('SOCKETS_OPEN', undefined, { cause: err });
  }
}

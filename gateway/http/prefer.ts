/** How long a request may wait at most. */
export const MAX_WAIT_SECONDS = 30;

/**
 * The seconds that `Prefer: wait=N` (RFC 7240) asks to wait, at most {@link MAX_WAIT_SECONDS}; 0 when it does not ask.
 * A preference that can't be understood is ignored, as the RFC has it; of several, the first holds.
 */
export function preferredWait(header: string): number {
  for (const preference of header.split(',')) {
    const [token = ''] = preference.split(';');
    const match = /^\s*wait\s*=\s*(?:(\d{1,9})|"(\d{1,9})")\s*$/i.exec(token);
    if (match) return Math.min(MAX_WAIT_SECONDS, Number(match[1] ?? match[2]));
  }
  return 0;
}

import { internal } from '#platform/errors.ts';

/** A time as clients read it (RFC 3339, UTC). */
export function iso(time: Date | undefined): string {
  if (!time) throw internal('INTERNAL', 'Query answered without a time');
  return time.toISOString();
}

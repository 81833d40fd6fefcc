import { MusubiError } from '#platform/errors.ts';
import { toMongoError } from '#platform/mongo/database.ts';

/** The code that a failure is counted under: what the caller will see. */
export function outcomeOf(error: unknown): string {
  const known = toMongoError(error);
  return known instanceof MusubiError ? known.code : 'INTERNAL';
}

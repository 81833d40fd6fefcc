import { DatabaseError } from 'pg';
import { aborted, MusubiError, SOCKET_ERRORS, unavailable } from './errors.ts';

/** SQLSTATEs after which the same transaction, run again from its start, may succeed at once. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01']);
/** Shutdown, crash, still starting, too many connections, disk or memory full, cancelled by a timeout of ours, a standby that was not promoted. */
const AWAY: ReadonlySet<string> = new Set([
  '57P01',
  '57P02',
  '57P03',
  '53000',
  '53100',
  '53200',
  '53300',
  '57014',
  '25P03',
  '25006',
]);
/** pg tells of a lost connection by plain Errors; these are their texts. */
const LOST = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable|Client was closed/i;

/** A serialization failure or a deadlock: run the transaction again. */
export function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && CONFLICTS.has(error.code ?? '');
}

/**
 * A prepared statement of this connection does not fit its table any more, since a migration: throw the connection away
 * and run the transaction again.
 */
export function isStalePlan(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '0A000' && error.message.startsWith('cached plan');
}

/** Whether the connection, rather than the statement, failed. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(08|57P)/.test(error.code ?? '') || AWAY.has(error.code ?? '');
  if (!(error instanceof Error)) return false;
  return SOCKET_ERRORS.has((error as NodeJS.ErrnoException).code ?? '') || LOST.test(error.message);
}

/** Whether `error` says that a unique constraint or index refused a row; give `constraint` to mean that one only. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return (
    error instanceof DatabaseError && error.code === '23505' && (constraint === undefined || error.constraint === constraint)
  );
}

/**
 * What callers see of an error of the database: a server that is away is UNAVAILABLE, a conflict that outlived
 * its retries or a lock that was waited for too long is ABORTED; the rest (unique violations too) stays as it is.
 */
export function toStoreError(error: unknown): unknown {
  if (error instanceof MusubiError) return error;
  if (isConnectionError(error)) return unavailable('STORE_UNAVAILABLE', 'the database is away', { cause: error });
  if (isConflict(error) || (error instanceof DatabaseError && error.code === '55P03')) {
    return aborted('STORE_CONFLICT', 'somebody else changes the same', { cause: error });
  }
  return error;
}

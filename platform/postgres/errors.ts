import { DatabaseError } from 'pg';
import { aborted, MusubiError, SOCKET_ERRORS, storeFull, storeUnavailable } from '../errors.ts';

/** SQLSTATEs after which the same transaction, run again from its start, may succeed at once. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01']);
/**
 * The SQLSTATEs by which a server speaks of itself, not of the statement: lost connections (08), a transaction that it
 * ended or may not write in (25), who may log in (28), databases that are not there (3D), whether it committed (40003),
 * rights that were taken (42501), no resources (53), objects in use (55006), shutdown, start and time limits (57), its
 * files (58), its configuration (F0), its own defects (XX). All others speak of the statement or its data.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const SERVER = /^(08|25006|25P03|25P04|28|3D|40003|42501|53|55006|57|58|F0|XX)/;
const DISK_FULL = '53100';
const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELLED = '57014';
/** pg tells of a lost connection by plain Errors; these are their texts. */
const LOST = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable|Client was closed/i;

/** A serialization failure or a deadlock: run the transaction again. */
export function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && CONFLICTS.has(error.code ?? '');
}

/** The transaction had failed already, by a statement before. */
export function isAborted(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '25P02';
}

/**
 * A prepared statement of this connection does not fit its table any more, since a migration, or the server has
 * forgotten it (`DEALLOCATE ALL`, as poolers do): throw the connection away and run the transaction again.
 */
export function isStalePlan(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  return error.code === '26000' || (error.code === '0A000' && error.message.startsWith('cached plan'));
}

/** Whether the server or the connection to it, rather than the statement, is in trouble. */
export function isServerTrouble(error: unknown): boolean {
  if (error instanceof DatabaseError) return SERVER.test(error.code ?? '');
  if (!(error instanceof Error)) return false;
  return SOCKET_ERRORS.has((error as NodeJS.ErrnoException).code ?? '') || LOST.test(error.message);
}

/** Whether `error` says that a unique constraint or index refused a row; give `constraint` to mean that one only. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return (
    error instanceof DatabaseError && error.code === '23505' && (constraint === undefined || error.constraint === constraint)
  );
}

/** Whether `error` says that a statement took longer than its `statement_timeout`. */
export function isStatementTimeout(error: unknown): boolean {
  const original = error instanceof MusubiError ? error.cause : error;
  return original instanceof DatabaseError && original.code === QUERY_CANCELLED;
}

/**
 * What callers see of an error of the database: a server that is away, or refuses us, is UNAVAILABLE (`STORE_FULL` when
 * its disk is full), a conflict that outlived its retries or a lock that was waited for too long is ABORTED; what is the
 * statement's own fault (unique violations too) stays as it is.
 */
export function toStoreError(error: unknown): unknown {
  if (error instanceof MusubiError) return error;
  const code = error instanceof DatabaseError ? error.code : undefined;
  if (code === DISK_FULL) return storeFull(error);
  if (isServerTrouble(error)) return storeUnavailable(error);
  if (isConflict(error) || code === LOCK_NOT_AVAILABLE) {
    return aborted('STORE_CONFLICT', 'somebody else changes the same', { cause: error });
  }
  return error;
}

import { failedPrecondition, type MusubiError } from '#platform/errors.ts';

/** The idempotency key was used for another request. */
export const keyReused = (): MusubiError =>
  failedPrecondition('IDEMPOTENCY_KEY_REUSED', 'this idempotency key was used for another request', {
    fields: [{ field: 'idempotencyKey', code: 'TAKEN', message: 'was used for another request; use a new one' }],
  });

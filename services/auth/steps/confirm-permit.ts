import type { ConfirmPermitRequest, ConfirmPermitResponse } from '#proto/musubi/auth/v1/auth.ts';
import type { AuthStep } from '../store.ts';

/**
 * The pivot of a saga that has no other step of Auth which could be its pivot. It does nothing itself: `permitted` looks at the permit, for
 * this step as for all that take one.
 */
export const confirmPermit: AuthStep<ConfirmPermitRequest, ConfirmPermitResponse> = {
  takesAway: false,
  do: async () => ({ result: {}, kept: null }),
  undo: async () => undefined,
};

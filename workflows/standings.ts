import type { StandingChange } from '#proto/musubi/auth/v1/auth.ts';
import type { Bindings } from '#proto/musubi/position/v1/position.ts';

/** To which positions Auth is to have members bound; whether they are in the group stays as it is. */
export const standingsOf = (bindings: readonly Bindings[]): StandingChange[] =>
  bindings.map(({ memberId, positionIds }) => ({ memberId, positions: { positionIds } }));

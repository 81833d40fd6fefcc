import { pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth } = services;

export interface ReleaseLoginInput {
  /** The hold of the name. By it nobody can tell the name. */
  holdId: string;
}

/** Frees a login that is held for the member that gave it up. */
export const releaseLogin = saga(
  'member.release-login',
  [[pivot(auth.releaseLogin)]],
  async ({ step }, { holdId }: ReleaseLoginInput) => {
    await step(auth.releaseLogin, { holdId });
    return { id: holdId };
  },
);

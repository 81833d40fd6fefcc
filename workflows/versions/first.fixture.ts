import { pivot, saga } from '../saga.ts';
import { services } from '../step.ts';
import type { Input } from './input.fixture.ts';

const { auth, member } = services;

/** A saga of a test, as it was first released. */
const changing = saga(
  'member.changing',
  [[member.createMember, auth.bindLogin, pivot(auth.grantRoles)]],
  async ({ step }, input: Input) => {
    await step(member.createMember, input);
    await step(auth.bindLogin, input);
    await step(auth.grantRoles, input);
    return {};
  },
);

export { changing as 'member.changing' };

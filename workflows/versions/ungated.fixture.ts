import { pivot, saga } from '../saga.ts';
import { services } from '../step.ts';
import type { Input } from './input.fixture.ts';

const { auth, member, role } = services;

/** The same change made without a gate: runs of the first release can't go on with it. */
const changing = saga(
  'member.changing',
  [[member.createMember, auth.bindLogin, role.assignRoles, pivot(auth.grantRoles)]],
  async ({ step }, input: Input) => {
    await step(member.createMember, input);
    await step(auth.bindLogin, input);
    await step(role.assignRoles, input);
    await step(auth.grantRoles, input);
    return {};
  },
);

export { changing as 'member.changing' };

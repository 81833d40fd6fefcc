import { pivot, saga } from '../saga.ts';
import { services } from '../step.ts';
import type { Input } from './input.fixture.ts';

const { auth, member, role } = services;

/** The saga of first.fixture.ts with one more step, gated: as CONTRIBUTING.md says. */
const changing = saga(
  'member.changing',
  [
    [member.createMember, auth.bindLogin, pivot(auth.grantRoles)],
    [member.createMember, auth.bindLogin, role.assignRoles, pivot(auth.grantRoles)],
  ],
  async ({ step, since }, input: Input) => {
    await step(member.createMember, input);
    await step(auth.bindLogin, input);
    if (since(2)) await step(role.assignRoles, input);
    await step(auth.grantRoles, input);
    return {};
  },
);

export { changing as 'member.changing' };

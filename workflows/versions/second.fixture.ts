import { type Saga, saga } from '../saga.ts';
import { auth, member, role } from '../step.ts';
import type { Input } from './input.fixture.ts';

/** The saga of first.fixture.ts with one more step, gated: as CONTRIBUTING.md says. */
const changing = saga(
  'member.changing',
  [
    ['createMember', 'bindLogin', 'grantRoles'],
    ['createMember', 'bindLogin', 'assignRoles', 'grantRoles'],
  ],
  async ({ step, pivot, since, input }: Saga<Input>) => {
    await step(member.createMember, input);
    await step(auth.bindLogin, input);
    if (since(2)) await step(role.assignRoles, input);
    await pivot(auth.grantRoles, input);
    return {};
  },
);

export { changing as 'member.changing' };

import { type Saga, saga } from '../saga.ts';
import { auth, member, role } from '../step.ts';
import type { Input } from './input.fixture.ts';

/** The same change made without a gate: runs of the first release can't go on with it. */
const changing = saga(
  'member.changing',
  [['createMember', 'bindLogin', 'assignRoles', 'grantRoles']],
  async ({ step, pivot, input }: Saga<Input>) => {
    await step(member.createMember, input);
    await step(auth.bindLogin, input);
    await step(role.assignRoles, input);
    await pivot(auth.grantRoles, input);
    return {};
  },
);

export { changing as 'member.changing' };

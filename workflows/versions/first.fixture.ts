import { type Saga, saga } from '../saga.ts';
import { auth, member } from '../step.ts';
import type { Input } from './input.fixture.ts';

/** A saga of a test, as it was first released. */
const changing = saga(
  'member.changing',
  [['createMember', 'bindLogin', 'grantRoles']],
  async ({ step, pivot, input }: Saga<Input>) => {
    await step(member.createMember, input);
    await step(auth.bindLogin, input);
    await pivot(auth.grantRoles, input);
    return {};
  },
);

export { changing as 'member.changing' };

import { recoveryOf } from '../recover.ts';
import { pivot, saga } from '../saga.ts';
import { services } from '../step.ts';
import type { Input } from './input.fixture.ts';

const { auth, member, role } = services;

/** What the first version runs. */
const part = saga('member.part', [[role.assignRoles]], async ({ step }, input: Input) => {
  await step(role.assignRoles, input);
  return {};
});

/** A saga of a test, as it was first released. */
const ordered = saga(
  'member.ordered',
  [[member.createMember, part, auth.bindLogin, pivot(auth.grantRoles)]],
  async ({ step, child }, input: Input) => {
    await step(member.createMember, input);
    await child(part, input);
    await step(auth.bindLogin, input);
    await step(auth.grantRoles, input);
    return {};
  },
);

const recover = recoveryOf({ 'member.ordered': ordered });

export { ordered as 'member.ordered', part as 'member.part', recover as 'saga.recover' };

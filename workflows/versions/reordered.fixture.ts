import { recoveryOf } from '../recover.ts';
import { pivot, saga } from '../saga.ts';
import { services } from '../step.ts';
import type { Input } from './input.fixture.ts';
import { 'member.part' as part } from './ordered.fixture.ts';

const { auth, member } = services;

/** The saga of ordered.fixture.ts in another order, and without the saga that it ran. */
const ordered = saga(
  'member.ordered',
  [
    [member.createMember, part, auth.bindLogin, pivot(auth.grantRoles)],
    [auth.bindLogin, member.createMember, pivot(auth.grantRoles)],
  ],
  async ({ step, child, since }, input: Input) => {
    if (since(2)) await step(auth.bindLogin, input);
    await step(member.createMember, input);
    if (!since(2)) await child(part, input);
    if (!since(2)) await step(auth.bindLogin, input);
    await step(auth.grantRoles, input);
    return {};
  },
);

const recover = recoveryOf({ 'member.ordered': ordered });

export { ordered as 'member.ordered', part as 'member.part', recover as 'saga.recover' };

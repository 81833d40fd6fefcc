import { saga } from './saga.ts';
import { services } from './step.ts';

const { role } = services;

/** How many lose it in one transaction. */
const AT_A_TIME = 1_000;

/** Takes a role that is being deleted from all who hold it. Nobody is given it meanwhile. */
export const unassignHolders = saga(
  'role.unassign-holders',
  [[role.countHolders, role.unassignHolders]],
  async ({ step, each }, { roleId }: { roleId: string }) => {
    const { holders } = await step(role.countHolders, { roleId });
    const parts = Array.from({ length: Math.ceil(holders / AT_A_TIME) }, (_, part) => `${part}`);
    await each(role.unassignHolders, parts, (key) => ({ key, request: { roleId, limit: AT_A_TIME } }), { atOnce: 1 });
    return { id: roleId };
  },
);

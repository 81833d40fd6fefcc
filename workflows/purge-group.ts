import { saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, position } = services;

/** How many memberships end in one transaction. */
const MEMBERSHIPS_AT_A_TIME = 1_000;
/** How many groups go in one transaction of each service. */
const GROUPS_AT_A_TIME = 100;

/** Removes some of the groups that a job deletes, the deepest first, with their positions, and has Auth forget them. */
export const purgePart = saga(
  'group.purge-part',
  [[group.purgeGroups, position.removeAllPositions, auth.forgetGroups]],
  async ({ step }, { groupId }: { groupId: string }) => {
    const { groupIds } = await step(group.purgeGroups, { groupId, limit: GROUPS_AT_A_TIME });
    const { positionIds } = await step(position.removeAllPositions, { groupIds });
    await step(auth.forgetGroups, { groupIds, positionIds });
    return { id: groupId };
  },
);

/** Removes a group that is being deleted, with all that is below it: who is in them, and then the groups themselves. */
export const purgeGroup = saga(
  'group.purge',
  [[group.countDoomed, group.purgeMemberships, purgePart]],
  async ({ step, each }, { groupId }: { groupId: string }) => {
    const { groups, memberships } = await step(group.countDoomed, { groupId });
    const ended = { groupId, limit: MEMBERSHIPS_AT_A_TIME };
    await each(group.purgeMemberships, parts(memberships, ended.limit), (key) => ({ key, request: ended }), { atOnce: 1 });
    // One after the other: each is deeper than those that come later.
    await each(purgePart, parts(groups, GROUPS_AT_A_TIME), (key) => ({ key, request: { groupId } }), { atOnce: 1 });
    return { id: groupId };
  },
);

/** The keys of as many parts as it takes. */
const parts = (count: number, atATime: number): string[] =>
  Array.from({ length: Math.ceil(count / atATime) }, (_, part) => `${part}`);

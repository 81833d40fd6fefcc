import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, member } = services;

/**
 * How many members are about in one part of all. A part has each of them, for as long as its transaction lasts: some ten milliseconds for so many,
 * which no command about one of them feels.
 */
const IN_A_PART = 100;
/** As many as a list has at most, and as Member tells. With more members than a million a part has more. */
const MOST_PARTS = 10_000;

export interface TakeInMembersInput {
  /** That of the whole organisation. */
  groupId: string;
}

/** Takes one of so many parts of all members in. */
export const takeInPart = saga(
  'group.take-in-part',
  [[member.listPart, group.enterMembers]],
  async ({ step }, { parts, part }: { parts: number; part: number }) => {
    const { memberIds } = await step(member.listPart, { parts, part });
    await step(group.enterMembers, { memberIds });
    return {};
  },
);

/** Takes all members in, part by part. */
export const takeInParts = saga(
  'group.take-in-parts',
  [[member.countMembers, takeInPart, group.noteTakenIn]],
  async ({ step, each }, { groupId }: TakeInMembersInput) => {
    const { members } = await step(member.countMembers, {});
    const parts = Math.min(MOST_PARTS, Math.ceil((members + 1) / IN_A_PART));
    const all = Array.from({ length: parts }, (_, part) => part);
    await each(takeInPart, all, (part) => ({ key: `${part}`, request: { parts, part } }), { atOnce: 4 });
    await step(group.noteTakenIn, {});
    return { id: groupId };
  },
);

/**
 * Has all members be in the whole organisation that were there before it was. The system itself begins it, and nobody waits for it: it is done when they
 * are in, though queries may see the last of them a moment later.
 */
export const takeInMembers = saga(
  'group.take-in-members',
  [[pivot(auth.confirmPermit), finish(takeInParts, (groupId) => ({ groupId }))]],
  async ({ step, child }, { groupId }: TakeInMembersInput) => {
    await step(auth.confirmPermit, {});
    await child(takeInParts, { groupId });
    return { id: groupId };
  },
);

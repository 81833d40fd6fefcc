import { ofMembers } from './narrowing.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, group, websocket } = services;

export interface AddMembersInput {
  groupId: string;
  /** 10,000 at most, each once. */
  memberIds: string[];
}

/** Adds the members of one part: those that Group or Auth refuses are noted, and hold up no other. */
export const addPart = saga(
  'group.add-part',
  [[group.holdAdditions, auth.admitMembers, websocket.narrowSockets, group.commitAdditions]],
  async ({ step }, { groupId, part }: { groupId: string; part: number }) => {
    const { memberIds, hindered } = await step(group.holdAdditions, { part });
    const hinderedIds = hindered.map(({ memberId }) => memberId);
    const { refused } = await step(auth.admitMembers, { groupId, memberIds, hinderedIds });
    const isRefused = new Set(refused.map(({ memberId }) => memberId));
    const admitted = memberIds.filter((memberId) => !isRefused.has(memberId));
    // Policies may forbid something to members of a group.
    if (admitted.length > 0) await step(websocket.narrowSockets, ofMembers(...admitted));
    // Whom who adds may not know of, of that it is not told what hinders it.
    const others = hindered.filter(({ memberId }) => !isRefused.has(memberId));
    await step(group.commitAdditions, { part, refused: [...refused, ...others] });
    return {};
  },
);

/** Adds all whom the job has begun to add, part by part. */
export const addParts = saga(
  'group.add-parts',
  [[group.countAdditions, addPart, group.sumUpAdditions, auth.endAdditions]],
  async ({ step, each }, { groupId }: { groupId: string }) => {
    const { parts } = await step(group.countAdditions, {});
    const all = Array.from({ length: parts }, (_, part) => part);
    await each(addPart, all, (part) => ({ key: `${part}`, request: { groupId, part } }), { atOnce: 4 });
    const counts = await step(group.sumUpAdditions, {});
    await step(auth.endAdditions, {});
    return counts;
  },
);

/**
 * Adds many members to a group. What is whole or leaves no trace is each of them: once the job is allowed, who is refused is noted with
 * why, and the others come in.
 */
export const addMembers = saga(
  'group.add-members',
  [[group.beginAddMembers, pivot(auth.allowAdditions), finish(addParts, (groupId) => ({ groupId }))]],
  async ({ step, child }, { groupId, memberIds }: AddMembersInput) => {
    await step(group.beginAddMembers, { groupId, memberIds });
    await step(auth.allowAdditions, { groupId });
    const { added, already, refused } = await child(addParts, { groupId });
    return { id: groupId, added, already, refused };
  },
);

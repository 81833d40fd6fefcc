import type { NarrowedGroup } from '#proto/musubi/websocket/v1/websocket.ts';

// Whose sockets are to ask Auth again what they may follow.

export const ofMembers = (...memberIds: string[]) => ({ members: { memberIds } });
/** Who follows that group, what is below it, or what it is in. */
export const ofGroup = (group: NarrowedGroup) => ({ group });
export const ofAll = () => ({});

/** So many are narrowed by one call. */
const MOST = 1_000;

/** Those that services have listed; all, where they are too many to be listed. */
export function ofListed(...lists: readonly { memberIds: string[]; tooMany: boolean }[]) {
  const memberIds = [...new Set(lists.flatMap((list) => list.memberIds))];
  return lists.some(({ tooMany }) => tooMany) || memberIds.length > MOST ? ofAll() : ofMembers(...memberIds);
}

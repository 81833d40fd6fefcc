import type { NarrowedGroup } from '#proto/musubi/websocket/v1/websocket.ts';

// Whose sockets are to ask Auth again what they may follow.

export const ofMembers = (...memberIds: string[]) => ({ members: { memberIds } });
/** Who follows that group, what is below it, or what it is in. */
export const ofGroup = (group: NarrowedGroup) => ({ group });
export const ofAll = () => ({});

/** Those that a service has listed; all, where they are too many to be listed. */
export const ofListed = ({ memberIds, tooMany }: { memberIds: string[]; tooMany: boolean }) =>
  tooMany ? ofAll() : ofMembers(...memberIds);

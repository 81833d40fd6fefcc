import { MusubiError } from '#platform/errors.ts';
import type { NarrowedGroup } from '#proto/musubi/websocket/v1/websocket.ts';
import { groupsBelow } from '../below.ts';
import type { Peers } from '../identity.ts';
import type { SocketStore } from '../store.ts';
import { narrowSockets } from './narrow-sockets.ts';

/** So many members are one script that others do not feel. */
const MEMBERS_AT_ONCE = 1_000;

/**
 * As {@link narrowSockets}, of those only who follow the group, what is below it, or what it is, or was, directly in: there is told of it. Which
 * those are, Auth says. Where it does not, all are asked.
 *
 * @param narrowAll does that
 */
export async function narrowGroup(
  store: SocketStore,
  auth: Pick<Peers['auth'], 'listGroupsBelow'>,
  { groupId, leftParentId }: NarrowedGroup,
  narrowAll: () => Promise<void>,
): Promise<void> {
  // From here on nobody begins to follow one of them by what Auth has said before: all who do are found.
  if (!(await store.isAnythingFollowed())) return;
  const concerned = new Set([groupId, ...(leftParentId === undefined ? [] : [leftParentId])]);
  try {
    for await (const { groupIds, parentId } of groupsBelow(auth, groupId)) {
      if (parentId === undefined) return await narrowAll();
      for (const id of [parentId, ...groupIds]) concerned.add(id);
    }
  } catch (error) {
    if (!(error instanceof MusubiError)) throw error;
    return await narrowAll();
  }
  const memberIds = await store.followersOf([...concerned]);
  for (let at = 0; at < memberIds.length; at += MEMBERS_AT_ONCE)
    await narrowSockets(store, memberIds.slice(at, at + MEMBERS_AT_ONCE));
}

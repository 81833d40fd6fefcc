import { MusubiError } from '#platform/errors.ts';
import type { NarrowedGroup } from '#proto/musubi/websocket/v1/websocket.ts';
import type { Peers } from '../identity.ts';
import type { SocketStore } from '../store.ts';
import { narrowSockets } from './narrow-sockets.ts';

/** So many groups Auth looks at, at once. */
const GROUPS_AT_ONCE = 1_000;
/** So many members are one script that others do not feel. */
const MEMBERS_AT_ONCE = 1_000;

/**
 * As {@link narrowSockets}, of those only who follow the group, what is below it, or what it is, or was, directly in: there is told of it. Of the
 * groups that are followed Auth says which those are. Where it does not, all are asked.
 *
 * @param narrowAll does that
 */
export async function narrowGroup(
  store: SocketStore,
  auth: Pick<Peers['auth'], 'findConcerned'>,
  { groupId, leftParentId }: NarrowedGroup,
  narrowAll: () => Promise<void>,
): Promise<void> {
  // From here on nobody begins to follow one of them by what Auth has said before: all who do are found.
  const followed = await store.followedGroups();
  if (followed.length === 0) return;
  const concerned = await concernedOf(auth, groupId, followed);
  if (!concerned) return await narrowAll();
  const memberIds = await store.followersOf(leftParentId === undefined ? concerned : [...concerned, leftParentId]);
  await Promise.all(partsOf(memberIds, MEMBERS_AT_ONCE).map((part) => narrowSockets(store, part)));
}

/** @returns undefined: Auth does not know the group, or does not answer */
async function concernedOf(
  auth: Pick<Peers['auth'], 'findConcerned'>,
  groupId: string,
  amongIds: readonly string[],
): Promise<string[] | undefined> {
  try {
    const parts = partsOf(amongIds, GROUPS_AT_ONCE).map((part) => auth.findConcerned({ groupId, amongIds: part }));
    const found = await Promise.all(parts);
    return found.every(({ isKnown }) => isKnown) ? found.flatMap(({ groupIds }) => groupIds) : undefined;
  } catch (error) {
    if (!(error instanceof MusubiError)) throw error;
    return undefined;
  }
}

const partsOf = (ids: readonly string[], size: number): string[][] =>
  Array.from({ length: Math.ceil(ids.length / size) }, (_, part) => ids.slice(part * size, (part + 1) * size));

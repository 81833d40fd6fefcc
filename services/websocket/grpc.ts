import { invalidFields } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { requireId } from '#platform/validation/id.ts';
import { OperationState } from '#proto/musubi/operation/v1/operation.ts';
import type { NarrowedGroup, NarrowedMembers, WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';
import type { Peers } from './identity.ts';
import { SharedRuns } from './shared-runs.ts';
import { closeSockets } from './steps/close-sockets.ts';
import { narrowGroup } from './steps/narrow-group.ts';
import { narrowSockets } from './steps/narrow-sockets.ts';
import type { SocketStore } from './store.ts';

/** So many are one script that others do not feel. */
const MOST_NARROWED = 1_000;

function narrowed({ memberIds }: NarrowedMembers): string[] {
  if (memberIds.length > MOST_NARROWED)
    throw invalidFields([{ field: 'members.memberIds', message: `must have at most ${MOST_NARROWED} entries` }]);
  return memberIds.map((memberId) => requireId('members.memberIds', memberId));
}

function narrowedGroup({ groupId, leftParentId }: NarrowedGroup): NarrowedGroup {
  for (const [field, id] of Object.entries({ groupId, leftParentId }))
    if (id !== undefined && id !== ROOT) requireId(`group.${field}`, id);
  return { groupId, leftParentId };
}

/** musubi.websocket.v1.WebsocketService, for the sockets of all processes. */
export function websocketHandlers(
  store: SocketStore,
  auth: Pick<Peers['auth'], 'listGroupsBelow'>,
): Handlers<WebsocketServiceService> {
  const ofAll = new SharedRuns(() => narrowSockets(store));
  return {
    closeSockets: async ({ memberId }) => {
      await closeSockets(store, requireId('memberId', memberId));
      return {};
    },
    narrowSockets: async ({ memberId, members, group }) => {
      const those = memberId === undefined ? members : { memberIds: [memberId] };
      if (those) await narrowSockets(store, narrowed(those));
      else if (group) await narrowGroup(store, auth, narrowedGroup(group), () => ofAll.run());
      else await ofAll.run();
      return {};
    },
    undo: async () => ({}),
    getOperation: async () => ({ state: OperationState.OPERATION_STATE_UNKNOWN, written: undefined, alsoWritten: [] }),
    listOperations: async () => ({ operations: [] }),
  };
}

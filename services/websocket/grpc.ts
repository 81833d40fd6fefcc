import { invalidFields } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { requireId } from '#platform/validation/id.ts';
import { OperationState } from '#proto/musubi/operation/v1/operation.ts';
import type { NarrowedMembers, WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';
import { SharedRuns } from './shared-runs.ts';
import { closeSockets } from './steps/close-sockets.ts';
import { narrowSockets } from './steps/narrow-sockets.ts';
import type { SocketStore } from './store.ts';

/** So many are one script that others do not feel. */
const MOST_NARROWED = 1_000;

function narrowed({ memberIds }: NarrowedMembers): string[] {
  if (memberIds.length > MOST_NARROWED)
    throw invalidFields([{ field: 'members.memberIds', message: `must have at most ${MOST_NARROWED} entries` }]);
  return memberIds.map((memberId) => requireId('members.memberIds', memberId));
}

/** musubi.websocket.v1.WebsocketService, for the sockets of all processes. */
export function websocketHandlers(store: SocketStore): Handlers<WebsocketServiceService> {
  const ofAll = new SharedRuns(() => narrowSockets(store));
  return {
    closeSockets: async ({ memberId }) => {
      await closeSockets(store, requireId('memberId', memberId));
      return {};
    },
    narrowSockets: async ({ memberId, members }) => {
      const those = memberId === undefined ? members && narrowed(members) : [requireId('memberId', memberId)];
      await (those ? narrowSockets(store, those) : ofAll.run());
      return {};
    },
    undo: async () => ({}),
    getOperation: async () => ({ state: OperationState.OPERATION_STATE_UNKNOWN, written: undefined, alsoWritten: [] }),
    listOperations: async () => ({ operations: [] }),
  };
}

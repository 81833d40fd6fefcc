import type { Handlers } from '#platform/grpc/server.ts';
import { requireId } from '#platform/validation/id.ts';
import { OperationState } from '#proto/musubi/operation/v1/operation.ts';
import type { WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';
import { SharedRuns } from './shared-runs.ts';
import { closeSockets } from './steps/close-sockets.ts';
import { narrowSockets } from './steps/narrow-sockets.ts';
import type { SocketStore } from './store.ts';

/** musubi.websocket.v1.WebsocketService, for the sockets of all processes. */
export function websocketHandlers(store: SocketStore): Handlers<WebsocketServiceService> {
  const ofAll = new SharedRuns(() => narrowSockets(store));
  return {
    closeSockets: async ({ memberId }) => {
      await closeSockets(store, requireId('memberId', memberId));
      return {};
    },
    narrowSockets: async ({ memberId }) => {
      await (memberId === undefined ? ofAll.run() : narrowSockets(store, requireId('memberId', memberId)));
      return {};
    },
    undo: async () => ({}),
    getOperation: async () => ({ state: OperationState.OPERATION_STATE_UNKNOWN, written: undefined, alsoWritten: [] }),
    listOperations: async () => ({ operations: [] }),
  };
}

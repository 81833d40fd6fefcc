import type { Handlers } from '#platform/grpc/server.ts';
import { serveSteps } from '#platform/operations/redis.ts';
import type { Rate } from '#platform/process/config.ts';
import type { ChatServiceService } from '#proto/musubi/chat/v1/chat.ts';
import { spend } from './messages/pace.ts';
import type { Messages } from './messages/store.ts';
import { deleteMessage } from './rpcs/delete-message.ts';
import { editMessage } from './rpcs/edit-message.ts';
import { getMessage } from './rpcs/get-message.ts';
import { listMessages } from './rpcs/list-messages.ts';
import { listPlaces } from './rpcs/list-places.ts';
import { listReceipts } from './rpcs/list-receipts.ts';
import { listUnread } from './rpcs/list-unread.ts';
import { markRead } from './rpcs/mark-read.ts';
import { postMessage } from './rpcs/post-message.ts';
import { react } from './rpcs/react.ts';
import { beginAddRoomMember } from './steps/begin-add-room-member.ts';
import { beginCreateRoom } from './steps/begin-create-room.ts';
import { beginDeleteRoom } from './steps/begin-delete-room.ts';
import { beginOpenDirect } from './steps/begin-open-direct.ts';
import { beginRemoveRoomMember } from './steps/begin-remove-room-member.ts';
import { beginUpdateRoom } from './steps/begin-update-room.ts';
import { commitRoom } from './steps/commit-room.ts';

/** musubi.chat.v1.ChatService over the service's Redis and its archive. @param rate what a member may type */
export function chatHandlers(messages: Messages, rate: Rate): Handlers<ChatServiceService> {
  const { redis } = messages;
  const steps = {
    beginCreateRoom: beginCreateRoom(redis),
    beginOpenDirect: beginOpenDirect(redis),
    beginUpdateRoom,
    beginDeleteRoom,
    beginAddRoomMember: beginAddRoomMember(redis),
    beginRemoveRoomMember,
    commitRoom,
  };
  /** What members type, as often as they may. */
  const typed =
    <Request extends { memberId: string }, Response>(answer: (request: Request) => Promise<Response>) =>
    async (request: Request): Promise<Response> => {
      await spend(redis, request.memberId, rate);
      return await answer(request);
    };
  return {
    ...serveSteps<ChatServiceService>(redis, steps, ({ roomId }: { roomId: string }) => roomId),
    postMessage: typed((request) => postMessage(messages, request)),
    editMessage: typed((request) => editMessage(messages, request)),
    deleteMessage: typed((request) => deleteMessage(messages, request)),
    react: typed((request) => react(messages, request)),
    markRead: typed((request) => markRead(redis, request)),
    getMessage: (request) => getMessage(messages, request),
    listMessages: (request) => listMessages(messages, request),
    listReceipts: (request) => listReceipts(redis, request),
    listUnread: (request) => listUnread(redis, request),
    listPlaces: (request) => listPlaces(redis, request),
  };
}

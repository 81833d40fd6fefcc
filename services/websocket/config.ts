import { z } from 'zod';
import { callerShape } from '#platform/grpc/callers.ts';
import { grpcShape } from '#platform/grpc/config.ts';
import { peerShape } from '#platform/grpc/peers.ts';
import { kafkaShape } from '#platform/kafka/config.ts';
import { address, httpUrl, integer, origins, redisUrl } from '#platform/process/config.ts';
import { calledBy } from '../may-call.ts';

/** The contracts of the services that are asked who may open sockets, and see what. */
export const CALLED = calledBy('websocket');

export const shape = {
  MUSUBI_HTTP_LISTEN: address(),
  ...grpcShape,
  MUSUBI_REDIS_URL: redisUrl(),
  ...kafkaShape,
  ...peerShape(CALLED),
  ...callerShape('websocket'),
  /** Whose pages may open sockets, besides the gateway's own. */
  MUSUBI_ALLOWED_ORIGINS: origins(),
  /** Where clients find the gateway. */
  MUSUBI_PUBLIC_URL: httpUrl().optional(),
  /** Where clients find the socket, for the AsyncAPI document. Default: ws:// and where it listens. */
  MUSUBI_WEBSOCKET_URL: z.url({ protocol: /^wss?$/, error: 'must be a URL like wss://musubi.example.org/v1/events' }).optional(),
  /** How long missed events can be asked for, in seconds. Default 24 hours. */
  MUSUBI_WEBSOCKET_KEPT_SECONDS: integer(1, 2_592_000).default(86_400),
  /** How many events of a member, and of a topic, are kept at most. */
  MUSUBI_WEBSOCKET_KEPT_EVENTS: integer(1, 100_000).default(1_000),
  /** Sockets of one member, over all instances. */
  MUSUBI_WEBSOCKET_SOCKETS_PER_MEMBER: integer(1, 10_000).default(20),
  /** Frames that one client may send in a second. */
  MUSUBI_WEBSOCKET_FRAMES_PER_SECOND: integer(1, 10_000).default(50),
  /** Sockets of one process whose clients have not authenticated yet. Of too many the oldest gives way. */
  MUSUBI_WEBSOCKET_UNAUTHENTICATED_SOCKETS: integer(1, 1_000_000).default(1_000),
};

import { z } from 'zod';
import { grpcShape } from '#platform/grpc/config.ts';
import { integer, postgresUrl, rate, redisOrClusterUrl } from '#platform/process/config.ts';

/** The settings of the chat service. */
export const shape = {
  /** A Redis server, or a cluster, whose append-only file is on. */
  MUSUBI_REDIS_URL: redisOrClusterUrl(),
  /** A PostgreSQL server; the service keeps its archive in a database of its own there. */
  MUSUBI_POSTGRES_URL: postgresUrl(),
  ...grpcShape,
  /** How many replicas of Redis must have on disk what is acknowledged, besides the server itself. */
  MUSUBI_CHAT_REPLICAS: integer(0, 5).default(0),
  /** How many messages of a room stay in Redis, the newest; older ones are in the archive only. */
  MUSUBI_CHAT_RECENT_MESSAGES: integer(1, 100_000).default(500),
  /** What a member may type, in all rooms: messages, changes, reactions and read marks. More is refused (TOO_MANY_MESSAGES). */
  MUSUBI_CHAT_RATE_PER_MEMBER: rate().default({ burst: 120, everySeconds: 0.05 }),
  /** What is done with what deleted members have said. */
  MUSUBI_CHAT_ERASED_TEXTS: z.enum(['keep', 'remove']).default('keep'),
};

export type Config = z.output<z.ZodObject<typeof shape>>;

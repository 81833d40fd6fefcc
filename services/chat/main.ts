import { serveErasure } from '#platform/erasure.ts';
import { pruneOperations } from '#platform/operations/redis.ts';
import { pruneHourly } from '#platform/operations/retention.ts';
import type { App } from '#platform/process/program.ts';
import { openPartitionedRedis } from '#platform/redis/partitioned.ts';
import { ChatServiceService } from '#proto/musubi/chat/v1/chat.ts';
import { serve } from '../serve.ts';
import type { Config } from './config.ts';
import { chatErasure } from './erasure.ts';
import { chatHandlers } from './grpc.ts';
import { openArchive } from './messages/archive.ts';
import { startArchiving } from './messages/archiving.ts';
import { startPurging } from './messages/purging.ts';
import { chatState } from './state.ts';

export { shape } from './config.ts';

/** Starts the chat service: Redis (readiness follows it) and the archive, what works by itself, then gRPC. */
export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const { MUSUBI_CHAT_RECENT_MESSAGES: recent, MUSUBI_CHAT_ERASED_TEXTS: texts, MUSUBI_CHAT_REPLICAS: replicas } = config;
  const redis = await openPartitionedRedis({ service: 'chat', url: config.MUSUBI_REDIS_URL, replicas, log, lifecycle });
  const messages = { redis, db: await openArchive({ url: config.MUSUBI_POSTGRES_URL, log, lifecycle }) };
  pruneHourly(() => pruneOperations(redis), { database: 'operations of chat', log, lifecycle });
  startArchiving({ ...messages, log, lifecycle }, recent);
  startPurging(messages, recent, { log, lifecycle });
  const beside = [chatState(messages, recent), serveErasure(chatErasure(messages, texts, recent))];
  await serve(app, ChatServiceService, chatHandlers(messages, config.MUSUBI_CHAT_RATE_PER_MEMBER), ...beside);
}

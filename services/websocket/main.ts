import type { z } from 'zod';
import { connectPeers, followServices } from '#platform/grpc/peers.ts';
import { kafkaOptions } from '#platform/kafka/config.ts';
import { subscribe } from '#platform/kafka/subscribe.ts';
import { allowedOrigins } from '#platform/process/config.ts';
import type { App } from '#platform/process/program.ts';
import { openRedis } from '#platform/redis/client.ts';
import { WebsocketServiceService } from '#proto/musubi/websocket/v1/websocket.ts';
import { EVENTS_KEPT_DAYS } from '../catalogue.ts';
import { serve } from '../serve.ts';
import { CALLED, shape } from './config.ts';
import { LIMITS } from './domain.ts';
import { websocketHandlers } from './grpc.ts';
import { Hub } from './hub.ts';
import { topicHandlers } from './readers.ts';
import { serveSockets } from './server.ts';
import { socketStore } from './store.ts';

export { shape };

/** Pushes the events of jobs to clients: registry of sockets → peers → socket server → gRPC → consumer. */
export async function start(app: App<z.output<z.ZodObject<typeof shape>>>): Promise<void> {
  const { config, log, lifecycle } = app;
  const url = config.MUSUBI_REDIS_URL;
  const keptMs = config.MUSUBI_WEBSOCKET_KEPT_SECONDS * 1_000;
  const store = socketStore(await openRedis({ url, log, lifecycle }), {
    ms: keptMs,
    events: config.MUSUBI_WEBSOCKET_KEPT_EVENTS,
  });
  const hub = new Hub(store, log);
  await hub.start({ url, lifecycle });
  // Nobody new is let in without Auth, though who is in stays; without Job no job can be subscribed to, but one's own come anyway.
  const connecting = { ...app, caller: config.MUSUBI_WEBSOCKET_CALLER_KEY };
  followServices(CALLED, connecting, ['auth']);
  const peers = connectPeers(CALLED, connecting);
  const limits = {
    ...LIMITS,
    socketsPerMember: config.MUSUBI_WEBSOCKET_SOCKETS_PER_MEMBER,
    framesPerSecond: config.MUSUBI_WEBSOCKET_FRAMES_PER_SECOND,
    unauthenticatedSockets: config.MUSUBI_WEBSOCKET_UNAUTHENTICATED_SOCKETS,
  };
  const context = { store, hub, peers, limits, keptMs, log };
  await serveSockets({
    listen: config.MUSUBI_HTTP_LISTEN,
    publicUrl: config.MUSUBI_WEBSOCKET_URL,
    origins: allowedOrigins(config.MUSUBI_ALLOWED_ORIGINS, config.MUSUBI_PUBLIC_URL),
    context,
    log,
    lifecycle,
  });
  await serve(app, WebsocketServiceService, websocketHandlers(store, peers.auth));
  subscribe({
    ...kafkaOptions(config, EVENTS_KEPT_DAYS),
    group: 'websocket',
    handlers: topicHandlers(store, peers.auth),
    log,
    lifecycle,
  });
}

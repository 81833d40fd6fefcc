import type { z } from 'zod';
import { allowedOrigins } from '#platform/config.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { followPeers } from '#platform/grpc/readiness.ts';
import { kafkaOptions } from '#platform/kafka/config.ts';
import { subscribe } from '#platform/kafka/subscribe.ts';
import type { App } from '#platform/process.ts';
import { openRedis } from '#platform/redis.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { shape } from './config.ts';
import { LIMITS } from './domain.ts';
import { Hub } from './hub.ts';
import { deliverJobEvents } from './job-events.ts';
import { recheckSessions } from './login-events.ts';
import { serveSockets } from './server.ts';
import { socketStore } from './store.ts';

export { shape };

/** Pushes the events of jobs to clients: registry of sockets → peers → socket server → consumer. */
export async function start({ config, log, lifecycle }: App<z.output<z.ZodObject<typeof shape>>>): Promise<void> {
  const url = config.MUSUBI_REDIS_URL;
  const keptMs = config.MUSUBI_WEBSOCKET_KEPT_SECONDS * 1_000;
  const store = socketStore(await openRedis({ url, log, lifecycle }), {
    ms: keptMs,
    events: config.MUSUBI_WEBSOCKET_KEPT_EVENTS,
  });
  const hub = new Hub(store, log);
  await hub.start({ url, lifecycle });
  // Nobody new is let in without Auth, though who is in stays; without Job no job can be subscribed to, but one's own come anyway.
  followPeers({ auth: config.MUSUBI_AUTH_ADDRESS }, lifecycle, 'essential');
  followPeers({ job: config.MUSUBI_JOB_ADDRESS }, lifecycle, 'other');
  const peers = {
    auth: connectPeer(config.MUSUBI_AUTH_ADDRESS, AuthServiceService, lifecycle),
    job: connectPeer(config.MUSUBI_JOB_ADDRESS, JobServiceService, lifecycle),
  };
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
  subscribe({
    ...kafkaOptions(config),
    group: 'websocket',
    handlers: {
      'job.events': (messages) => deliverJobEvents(store, messages),
      'auth.events': (messages) => recheckSessions(store, messages),
    },
    log,
    lifecycle,
  });
}

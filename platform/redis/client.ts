import slotOf from 'cluster-key-slot';
import { Cluster, Redis } from 'ioredis';
import { atMost, whenAborted } from '../concurrency/abort.ts';
import { CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { unavailable } from '../errors.ts';
import type { Secret } from '../process/config.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';
import { sparing } from '../process/probe.ts';
import { parseRedisUrl } from './address.ts';
import { toRedisError } from './errors.ts';

export type { Cluster, Redis } from 'ioredis';

/**
 * Opens a client of the Redis server, registers probes and stop: without an answer the process is not ready, while
 * writes fail (as when its memory is full) it is degraded.
 * A server that is away is connected to again for ever; calls meanwhile fail within a second or two instead of
 * queueing (a script may be tried twice by the caller, never by this client).
 */
export async function openRedis({ url, log, lifecycle }: { url: Secret; log: Logger; lifecycle: Lifecycle }): Promise<Redis> {
  const redis = connectRedis(url, log, { commandTimeout: 3_000, maxRetriesPerRequest: 0 });
  tellOnce(redis, log);
  lifecycle.onReady('redis', () => redis.ping());
  // Needs memory, as everything does that is written; the key is gone again by itself.
  const write = (): Promise<unknown> => guarded(() => redis.set('write-probe', '1', 'EX', 60));
  lifecycle.onHealthy('redis, writing', sparing(write));
  lifecycle.onStop('redis', 'stores', () => closeRedis(redis));
  await untilConnected(redis, lifecycle);
  return redis;
}

/** Warns of each problem once, until it is over. */
export function tellOnce(redis: Redis | Cluster, log: Logger): void {
  let told = '';
  redis.on('error', ({ message }: Error) => {
    if (message !== told) log.warn({ reason: message }, 'Redis is away');
    told = message;
  });
  redis.on('ready', () => {
    told = '';
  });
}

interface ConnectionOptions {
  commandTimeout?: number;
  maxRetriesPerRequest?: number | null;
}

const retryPause = (attempt: number): number => Math.min(50 * 2 ** Math.min(attempt, 6), 1_000);

const ofEvery = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: 10_000,
  // The write that was under way when the connection broke may have happened: only the caller knows whether to repeat it.
  autoResendUnfulfilledCommands: false,
};

/** A connection of its own, for commands that block. The caller closes it. */
export function connectRedis(url: Secret, log: Logger, options: ConnectionOptions = {}): Redis {
  const redis = new Redis(url.reveal(), { ...ofEvery, retryStrategy: retryPause, ...options });
  return heard(redis, log);
}

/** The same to one server, or to all nodes of a cluster, each of which is connected to when it is needed. */
export function connectRedisOrCluster(url: Secret, log: Logger, options: ConnectionOptions = {}): Redis | Cluster {
  const { isCluster, nodes, username, password, tls } = parseRedisUrl(url);
  if (!isCluster) return connectRedis(url, log, options);
  const user = { ...(username ? { username } : {}), ...(password ? { password } : {}), ...(tls ? { tls: {} } : {}) };
  const cluster = new Cluster(nodes, {
    redisOptions: { ...ofEvery, ...user, ...options },
    clusterRetryStrategy: retryPause,
    // What was under way when a connection broke is not sent again, as above. Of nodes that change places a command has not been done.
    retryDelayOnFailover: 0,
    maxRedirections: 8,
  });
  return heard(cluster, log);
}

/**
 * A connection of its own to the server that has a key, for commands that block. The caller closes it.
 *
 * @param client that is connected to all nodes, where it is a cluster
 */
export function connectOwner(
  url: Secret,
  client: Redis | Cluster,
  key: string,
  log: Logger,
  options: ConnectionOptions = {},
): Redis {
  if (!('slots' in client)) return connectRedis(url, log, options);
  const owner = client
    .nodes('master')
    .find(({ options: { host, port } }) => `${host}:${port}` === client.slots[slotOf(key)]?.[0]);
  if (!owner) throw unavailable('STORE_UNAVAILABLE', 'no node has the key');
  return heard(owner.duplicate({ ...ofEvery, retryStrategy: retryPause, ...options }), log);
}

/** Without a listener an error would end the process; the calls that fail of it say so too. */
function heard<Client extends Redis | Cluster>(client: Client, log: Logger): Client {
  client.on('error', (error: Error) => log.debug({ reason: error.message }, 'Redis is away'));
  return client;
}

/**
 * Listens to channels on a connection of its own, across breaks of it, until the caller disconnects it.
 * Resolves once it listens, however long Redis is away. While it does not, the process is degraded.
 *
 * @param heard called with each message and its channel
 * @param since called whenever it begins to listen, at first and again: what was published before that was not heard
 */
export async function listen({
  url,
  log,
  lifecycle,
  channels,
  heard,
  since,
}: {
  url: Secret;
  log: Logger;
  lifecycle: Lifecycle;
  channels: string[];
  heard: (channel: string, message: string) => void;
  since: () => void;
}): Promise<Redis> {
  const redis = connectRedis(url, log, { maxRetriesPerRequest: null });
  // The client's own way would leave a rejection unhandled when the connection breaks again at once.
  redis.options.autoResubscribe = false;
  redis.on('message', heard);
  let listening = false;
  redis.on('close', () => {
    listening = false;
  });
  lifecycle.onHealthy('redis, listening', () => {
    if (!listening) throw new Error('what is published is not heard');
  });
  await new Promise<void>((resolve) => {
    redis.on('ready', () => {
      redis
        .subscribe(...channels)
        .then(() => {
          listening = true;
          since();
        })
        .then(resolve, (error: Error) => {
          log.warn({ reason: error.message, channels }, 'what is published is not heard until Redis is back');
          // A server that refused it is asked again, by a new connection; one that is away is already.
          if (redis.status === 'ready') redis.disconnect(true);
        });
    });
  });
  return redis;
}

export async function closeRedis(redis: Redis | Cluster): Promise<void> {
  if (redis.status === 'ready') await redis.quit().catch(() => undefined);
  redis.disconnect();
}

/** Waits up to a minute for a server that is not there yet. */
export async function untilConnected(redis: Redis | Cluster, { signal }: Lifecycle): Promise<void> {
  const isReady = (): boolean => redis.status === 'ready';
  if (isReady()) return;
  const ready = new Promise<void>((resolve) => redis.once('ready', resolve));
  await atMost(60_000, Promise.race([ready, whenAborted(signal)]));
  if (!isReady()) throw unavailable('STORE_UNAVAILABLE', 'Redis is away');
}

/** Calls Redis; of a server that is away, full or refuses us its caller sees UNAVAILABLE. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toRedisError(error);
  }
}

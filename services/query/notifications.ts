import { Client } from 'pg';
import { z } from 'zod';
import { startLoop } from '#platform/concurrency/loop.ts';
import { CONNECT_TIMEOUT_MS } from '#platform/concurrency/timeouts.ts';
import { reasonOf } from '#platform/errors.ts';
import { type Query, sql } from '#platform/postgres/database.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';

const CHANNEL = 'visible';
/** PostgreSQL takes less than 8,000 bytes in one notification; a version takes at most about 130. */
const VERSIONS_IN_ONE = 50;
/** How often a connection on which nothing happens is asked whether it still lives. */
const PROBE_EVERY_MS = 10_000;

const message = z.array(z.tuple([z.string(), z.string(), z.number()]));

/** Tells every query process, when the transaction commits, that these versions are visible. */
export function notification(versions: readonly AggregateVersion[]): Query {
  const messages: string[] = [];
  for (let at = 0; at < versions.length; at += VERSIONS_IN_ONE) {
    messages.push(JSON.stringify(versions.slice(at, at + VERSIONS_IN_ONE).map(({ type, id, version }) => [type, id, version])));
  }
  return sql`select pg_notify(${CHANNEL}, message) from unnest(${messages}::text[]) as message`;
}

/**
 * Listens to what other query processes make visible, over a connection of its own that is opened again when it is lost.
 * Returns once it listens. While it does not, the process is degraded.
 *
 * @param onListening what was notified before this moment was not heard
 */
export async function listen(o: {
  url: Secret;
  database: string;
  onVisible: (versions: AggregateVersion[]) => void;
  onListening: () => Promise<void>;
  log: Logger;
  lifecycle: Lifecycle;
}): Promise<void> {
  const { log, lifecycle } = o;
  const first = Promise.withResolvers<void>();
  const loop = startLoop(
    ({ signal, works }) =>
      listenOnce(o, signal, () => {
        works();
        first.resolve();
      }),
    { name: 'listening to notifications', log },
  );
  lifecycle.onHealthy('notifications', () => {
    if (loop.problem !== undefined) throw new Error(`what others make visible is not heard: ${loop.problem}`);
  });
  lifecycle.onStop('notifications', 'work', () => loop.stop());
  await first.promise;
}

/** Listens until the connection is lost, or `signal` is aborted. */
async function listenOnce(o: Parameters<typeof listen>[0], signal: AbortSignal, listening: () => void): Promise<void> {
  const address = new URL(o.url.reveal());
  address.pathname = `/${o.database}`;
  const client = new Client({
    connectionString: address.href,
    application_name: 'musubi-notifications',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: 3_000,
    keepAlive: true,
  });
  const { promise: ended, resolve: end, reject: lose } = Promise.withResolvers<void>();
  ended.catch(() => undefined); // also when nobody waits for it yet
  const onAbort = (): void => end();
  signal.addEventListener('abort', onAbort);
  client.on('error', lose);
  client.on('end', () => lose(new Error('the server closed the connection')));
  client.on('notification', ({ payload = '' }) => o.onVisible(parse(payload, o.log)));
  const probe = setInterval(() => {
    client.query('select 1').catch(lose);
  }, PROBE_EVERY_MS).unref();
  try {
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    await o.onListening();
    listening();
    await ended;
  } finally {
    clearInterval(probe);
    signal.removeEventListener('abort', onAbort);
    client.end().catch(() => undefined);
  }
}

/** What does not parse, another release's form for one, tells nothing: who waits looks once more before giving up. */
function parse(payload: string, log: Logger): AggregateVersion[] {
  try {
    return message.parse(JSON.parse(payload)).map(([type, id, version]) => ({ type, id, version }));
  } catch (error) {
    // Not thrown: in an event's listener that would end the process.
    log.warn({ reason: reasonOf(error) }, 'a notification that makes no sense is ignored');
    return [];
  }
}

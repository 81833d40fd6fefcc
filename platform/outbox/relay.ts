import { Gauge } from '@prometheus-io/client';
import { openPublisher, type Publisher } from '../kafka/publish.ts';
import type { TopicOptions } from '../kafka/topics.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { metrics } from '../telemetry.ts';
import { type OutboxSource, type RelayState, sleep } from './source.ts';

export interface RelayOptions extends TopicOptions {
  brokers: string[];
  log: Logger;
  lifecycle: Lifecycle;
}

const leading = new Gauge({
  name: 'musubi_outbox_leading',
  help: '1 while this process relays the source, 0 while it stands by or tries to',
  labelNames: ['source'],
  registers: [metrics],
});

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 3_000;

/**
 * Relays a source to Kafka until the process stops. Whatever fails, it begins anew after a pause, from what Kafka has
 * acknowledged, with fresh connections. Returns at once; /healthz says whether the source is led or stood by for.
 *
 * Guarantee: every committed event arrives at least once, and the first arrivals of a key's events are in order.
 * After a failure or a change of leader older events may arrive again behind newer ones; readers ignore versions
 * that they have.
 *
 * @returns whether it is led or stood by for now
 */
export function relay(source: OutboxSource, options: RelayOptions): () => boolean {
  const { lifecycle, log } = options;
  const stop = new AbortController();
  let state: RelayState = 'starting';
  const report = (now: RelayState): void => {
    if (now !== 'starting') told = '';
    if (now !== state) log.info({ source: source.name, state: now }, 'relay');
    state = now;
    leading.set({ source: source.name }, now === 'leading' ? 1 : 0);
  };
  let told = '';
  report('starting');
  const works = (): boolean => state !== 'starting';
  lifecycle.onHealthy(`outbox of ${source.name}`, () => {
    if (!works()) throw new Error('can not be read, or Kafka is away');
  });
  const running = (async () => {
    for (let pause = FIRST_PAUSE_MS; !stop.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const begun = Date.now();
      try {
        await runOnce(source, options, stop.signal, report);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        // Once, not at every try while a server is away; the stack only where somebody looks for it.
        if (reason !== told) log.warn({ reason, source: source.name }, 'the relay begins anew, again and again until it can');
        log.debug({ err: error, source: source.name, waitMs: pause }, 'the relay begins anew');
        told = reason;
      }
      report('starting');
      if (Date.now() - begun > 30_000) pause = FIRST_PAUSE_MS;
      await sleep(pause, stop.signal);
    }
  })();
  lifecycle.onStop(`outbox of ${source.name}`, 'work', () => {
    stop.abort();
    return running;
  });
  return works;
}

async function runOnce(
  source: OutboxSource,
  { brokers, log, partitions, replication }: RelayOptions,
  stop: AbortSignal,
  report: (state: RelayState) => void,
): Promise<void> {
  let publisher: Promise<Publisher> | undefined;
  // Who stands by needs none.
  const open = (): Promise<Publisher> => {
    publisher ??= openPublisher(source.name, { brokers, clientId: `relay-${source.name}`, log, partitions, replication });
    return publisher;
  };
  try {
    await source.run({
      publish: async (events) => {
        if (events.length > 0) await (await open()).publish(events);
      },
      standBy: () => report('standby'),
      lead: async () => {
        await open();
        report('leading');
      },
      // A signal of its own, so that listeners of this run go with it.
      signal: AbortSignal.any([stop]),
    });
  } finally {
    await publisher
      ?.then((opened) => opened.close())
      .catch((error: unknown) => log.debug({ err: error }, 'the producer did not close'));
  }
}

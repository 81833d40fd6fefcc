import { setTimeout as delay } from 'node:timers/promises';
import { Counter } from '@prometheus-io/client';
import { MusubiError, SOCKET_ERRORS } from '../errors.ts';
import type { Logger } from '../log.ts';
import { contextFrom, metrics, SpanKind, withSpan } from '../telemetry.ts';
import type { DeadLetters } from './dead-letter.ts';
import { type EventMessage, fromWire, type ReceivedMessage } from './event-message.ts';

const retries = new Counter({
  name: 'musubi_event_retries_total',
  help: 'Times that handling events was tried again, by group and reason (transient, defect)',
  labelNames: ['group', 'reason'],
  registers: [metrics],
});

/** The most events that a handler gets at once. */
const CHUNK = 200;
/** How often an event is tried on its own before it is parked. */
const ATTEMPTS = 4;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/** Whether an error speaks of a server that is away rather than of the message. */
export function isTransient(error: unknown): boolean {
  if (error instanceof MusubiError) return error.retryable;
  if (!(error instanceof Error)) return false;
  return SOCKET_ERRORS.has((error as NodeJS.ErrnoException).code ?? '') || isTransient(error.cause);
}

/** The partition's owner while a batch is handled. */
export interface BatchControl {
  /** False when the partition is not ours any more, or the process stops: what is left must not be handled. */
  alive(): boolean;
  /** Called after each message (or chunk) that needs no further handling. */
  handled(offset: string): void;
}

export interface BatchHandlerOptions {
  group: string;
  handle: (events: EventMessage[]) => Promise<void>;
  deadLetters: DeadLetters;
  log: Logger;
}

/** Thrown to leave a batch that is not ours any more. */
class Abandoned extends Error {}

/**
 * Handles what a partition brings, in order. While a server is away, the same events are tried for ever, with waits of
 * up to 5 s. An error of any other kind is tried a few times event by event; the one that still fails is parked as a
 * dead letter, and the partition goes on behind it.
 */
export class BatchHandler {
  readonly #options: BatchHandlerOptions;

  constructor(options: BatchHandlerOptions) {
    this.#options = options;
  }

  /** Returns when all is handled or the partition was lost; throws only when a dead letter can't be parked. */
  async run(topic: string, partition: number, messages: readonly ReceivedMessage[], control: BatchControl): Promise<void> {
    let chunk: { event: EventMessage; message: ReceivedMessage }[] = [];
    const flush = async (): Promise<void> => {
      if (chunk.length > 0) await this.#chunk(chunk, control);
      chunk = [];
    };
    try {
      for (const message of messages) {
        let event: EventMessage;
        try {
          event = fromWire(topic, partition, message);
        } catch (error) {
          await flush();
          await this.#park(topic, partition, message, error, control);
          continue;
        }
        chunk.push({ event, message });
        if (chunk.length === CHUNK) await flush();
      }
      await flush();
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
    }
  }

  async #chunk(chunk: { event: EventMessage; message: ReceivedMessage }[], control: BatchControl): Promise<void> {
    const failed = await this.#untilReachable(
      chunk.map(({ event }) => event),
      control,
    );
    if (failed === undefined) return control.handled(chunk[chunk.length - 1]?.message.offset ?? '');
    for (const { event, message } of chunk) await this.#single(event, message, control);
  }

  async #single(event: EventMessage, message: ReceivedMessage, control: BatchControl): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const failed = await this.#untilReachable([event], control);
      if (failed === undefined) return control.handled(message.offset);
      if (attempt === ATTEMPTS) return this.#park(event.topic, event.partition, message, failed.error, control);
      retries.inc({ group: this.#options.group, reason: 'defect' });
      await wait(FIRST_WAIT_MS * 3 ** (attempt - 1), control);
    }
  }

  /** Calls the handler until it answers or fails on something that is not a server being away: that is returned. */
  async #untilReachable(events: EventMessage[], control: BatchControl): Promise<{ error: unknown } | undefined> {
    const { group, handle, log } = this.#options;
    for (let pause = FIRST_WAIT_MS; ; pause = Math.min(pause * 2, LONGEST_WAIT_MS)) {
      if (!control.alive()) throw new Abandoned();
      try {
        await traced(group, events, handle);
        return undefined;
      } catch (error) {
        if (!isTransient(error)) return { error };
        retries.inc({ group, reason: 'transient' });
        log.warn({ err: error, group, topic: events[0]?.topic, waitMs: pause }, 'events wait for a server that is away');
        await wait(pause, control);
      }
    }
  }

  async #park(topic: string, partition: number, message: ReceivedMessage, reason: unknown, control: BatchControl): Promise<void> {
    if (!control.alive()) throw new Abandoned();
    await this.#options.deadLetters.park(topic, partition, message, reason);
    control.handled(message.offset);
  }
}

/** Events of one trace are handled inside it; a mixed batch can't be. */
function traced(group: string, events: EventMessage[], handle: (events: EventMessage[]) => Promise<void>): Promise<void> {
  const [first] = events;
  if (!first?.traceparent || events.some((event) => event.traceparent !== first.traceparent)) return handle(events);
  const attributes = {
    'messaging.system': 'kafka',
    'messaging.destination.name': first.topic,
    'messaging.consumer.group.name': group,
    'messaging.message.id': first.id,
    'messaging.batch.message_count': events.length,
  };
  return withSpan(`process ${first.topic}`, { kind: SpanKind.CONSUMER, attributes, parent: contextFrom(first.traceparent) }, () =>
    handle(events),
  );
}

/** Sleeps in slices, so that a lost partition is let go of soon. */
async function wait(ms: number, control: BatchControl): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (!control.alive()) throw new Abandoned();
    await delay(Math.min(200, end - Date.now() + 1));
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { isTransient } from '../errors.ts';
import { contextFrom, SpanKind, withSpan } from '../process/telemetry.ts';
import { type DeadLetters, originOf } from './dead-letter.ts';
import { type EventMessage, fromWire, type ReceivedMessage } from './event-message.ts';
import { PoisonError } from './poison.ts';
import type { Place, Standstills } from './standstills.ts';

/** The most events that a handler gets at once. */
const CHUNK = 200;
/** A pause up to this long is waited for in place; during a longer one the other partitions go on. */
const LONGEST_PAUSE_IN_PLACE_MS = 800;

/** The partition's owner while a batch is handled. */
export interface BatchControl {
  /** False when the partition is not ours any more, or the process stops: what is left must not be handled. */
  alive(): boolean;
  /** Called after each message (or chunk) that needs no further handling. */
  handled(offset: string): void;
}

type Handle = (events: EventMessage[]) => Promise<void>;

export interface BatchHandlerOptions {
  group: string;
  /** By topic. */
  handlers: Readonly<Record<string, Handle>>;
  deadLetters: DeadLetters;
  standstills: Standstills;
}

/** A message that was read, with where it was at first: a redriven one comes by another topic. */
type Read = { place: Place; message: ReceivedMessage } & ({ event: EventMessage; handle: Handle } | { poison: PoisonError });

/**
 * Handles what a partition brings, in order. Only what breaks the contract ({@link PoisonError}) is parked as a dead
 * letter, and the partition goes on behind it. All other failures are tried again for ever: a store may say anything
 * while it is in trouble, and an event that meets a defect of ours must not be lost by it.
 */
export class BatchHandler {
  readonly #options: BatchHandlerOptions;

  constructor(options: BatchHandlerOptions) {
    this.#options = options;
  }

  /**
   * Returns how long the partition should rest before what is left is brought again, in milliseconds; 0 when all is
   * handled, or the partition was lost.
   */
  async run(topic: string, partition: number, messages: readonly ReceivedMessage[], control: BatchControl): Promise<number> {
    const { standstills } = this.#options;
    const here = `${topic}/${partition}`;
    // What failed before comes alone, so that those before it are done and it is known which it is.
    let aloneBefore = standstills.has(here) ? 1 : 0;
    for (let at = 0; at < messages.length; ) {
      const chunk = this.#next(topic, partition, messages.slice(at, at + (at < aloneBefore ? 1 : CHUNK)));
      const [first] = chunk;
      const last = chunk.at(-1);
      if (!first || !last || !control.alive()) return 0;
      try {
        await this.#handle(first, chunk);
      } catch (error) {
        if (chunk.length > 1 && !isTransient(error)) {
          aloneBefore = at + chunk.length;
          continue;
        }
        const pause = standstills.failed(here, first.place, error);
        if (pause > LONGEST_PAUSE_IN_PLACE_MS) return pause;
        await sleep(pause);
        continue;
      }
      standstills.passed(here);
      control.handled(last.message.offset);
      at += chunk.length;
    }
    return 0;
  }

  /** The first messages as far as one handler can take them together; one that can't be read comes alone. */
  #next(topic: string, partition: number, messages: readonly ReceivedMessage[]): Read[] {
    const chunk: Read[] = [];
    for (const message of messages) {
      const read = this.#read(topic, partition, message);
      const together = 'event' in read && (chunk.length === 0 || chunk[0]?.place.topic === read.place.topic);
      if (!together) return chunk.length === 0 ? [read] : chunk;
      chunk.push(read);
    }
    return chunk;
  }

  #read(topic: string, partition: number, message: ReceivedMessage): Read {
    const { group, handlers } = this.#options;
    const place: Place = originOf(group, topic, partition, message);
    try {
      const event = fromWire(place.topic, place.partition, message);
      place.eventId = event.id;
      const handle = Object.hasOwn(handlers, place.topic) ? handlers[place.topic] : undefined;
      if (!handle) throw new PoisonError(`nobody of this group handles ${place.topic}`);
      return { place, message, event, handle };
    } catch (error) {
      if (!(error instanceof PoisonError)) throw error;
      return { place, message, poison: error };
    }
  }

  /** @param first of the chunk: what is poison comes alone, and the rest is handled by one handler */
  async #handle(first: Read, chunk: Read[]): Promise<void> {
    const { group, deadLetters } = this.#options;
    let poison = 'poison' in first ? first.poison : undefined;
    if ('handle' in first) {
      const events = chunk.flatMap((read) => ('event' in read ? [read.event] : []));
      try {
        await traced(group, events, first.handle);
      } catch (error) {
        if (!(error instanceof PoisonError) || chunk.length > 1) throw error;
        poison = error;
      }
    }
    if (poison) await deadLetters.park(first.place, first.message, poison);
  }
}

/** Events of one trace are handled inside it; a mixed batch can't be. */
function traced(group: string, events: EventMessage[], handle: Handle): Promise<void> {
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

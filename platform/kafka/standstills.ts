import { Counter, Gauge } from '@prometheus-io/client';
import { isTransient, reasonOf } from '../errors.ts';
import type { Logger } from '../process/log.ts';
import { metrics } from '../process/telemetry.ts';

const retries = new Counter({
  name: 'musubi_event_retries_total',
  help: 'Times that handling events failed and is tried again, by group and reason (transient, defect)',
  labelNames: ['group', 'reason'],
  registers: [metrics],
});
const standing = new Gauge({
  name: 'musubi_partitions_standing',
  help: 'Partitions of this process at which an event waits until it can be handled, by group',
  labelNames: ['group'],
  registers: [metrics],
});

/** Where in its topic an event is, and its ID if it has one. */
export interface Place {
  topic: string;
  partition: number;
  offset: string;
  eventId?: string;
}

interface Standstill {
  place: Place;
  reason: string;
  since: number;
  tries: number;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 4_000;

/** The partitions of a group in which an event can't be handled now, and all behind it wait. */
export class Standstills {
  readonly #group: string;
  readonly #log: Logger;
  /** By partition. */
  readonly #at = new Map<string, Standstill>();

  constructor(group: string, log: Logger) {
    this.#group = group;
    this.#log = log;
  }

  /**
   * Notes that the event could not be handled; the first time, and whenever the reason is another one, it is logged.
   * @returns how long to wait until it is tried again, in milliseconds
   */
  failed(partition: string, place: Place, error: unknown): number {
    const reason = reasonOf(error);
    const before = this.#at.get(partition);
    const now = { place, reason, since: before?.since ?? performance.now(), tries: (before?.tries ?? 0) + 1 };
    this.#at.set(partition, now);
    standing.set({ group: this.#group }, this.#at.size);
    const transient = isTransient(error);
    retries.inc({ group: this.#group, reason: transient ? 'transient' : 'defect' });
    if (before?.reason !== reason) {
      const fields = { err: error, group: this.#group, ...place };
      if (transient) this.#log.warn(fields, 'events wait for a server that is away');
      else this.#log.error(fields, 'an event can not be handled: its partition waits until it can, after a fix');
    }
    return Math.min(FIRST_PAUSE_MS * 2 ** (now.tries - 1), LONGEST_PAUSE_MS);
  }

  /** Whether the partition's next event has failed before. */
  has(partition: string): boolean {
    return this.#at.has(partition);
  }

  passed(partition: string): void {
    const before = this.#at.get(partition);
    if (!before) return;
    this.#at.delete(partition);
    standing.set({ group: this.#group }, this.#at.size);
    this.#log.info(
      { group: this.#group, ...before.place, waitedMs: Math.round(performance.now() - before.since) },
      'events are handled again',
    );
  }

  /** After a rebalance: the partitions may be another's, who will see for itself. */
  forget(): void {
    this.#at.clear();
    standing.set({ group: this.#group }, 0);
  }

  /** Says where and why; undefined when all goes on. */
  describe(): string | undefined {
    const [first] = this.#at.values();
    if (!first) return undefined;
    const { topic, partition, offset, eventId } = first.place;
    const seconds = Math.round((performance.now() - first.since) / 1_000);
    const others = this.#at.size > 1 ? `, and ${this.#at.size - 1} more partitions stand` : '';
    const event = eventId ? `event ${eventId}` : 'a message';
    return `${event} of ${topic}/${partition} at offset ${offset} has waited for ${seconds} s: ${first.reason}${others}`;
  }
}

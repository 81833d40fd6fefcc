import { Gauge } from '@prometheus-io/client';
import { atMost } from '../concurrency/abort.ts';
import { type Run, startLoop } from '../concurrency/loop.ts';
import { CLOSE_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import { openPublisher, type Publisher } from '../kafka/publish.ts';
import type { TopicOptions } from '../kafka/topics.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';
import { metrics } from '../process/telemetry.ts';
import { type OutboxRecord, parseStored, type StoredEvent } from './event.ts';
import { Refused } from './refused.ts';
import type { OutboxSource, RelayContext, RelayState } from './source.ts';
import { OVERDUE_MS, Waiting } from './waiting.ts';

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
const overdue = new Gauge({
  name: 'musubi_outbox_overdue',
  help: '1 while events wait in the outbox for too long, whoever should relay them',
  labelNames: ['source'],
  registers: [metrics],
});
const refused = new Gauge({
  name: 'musubi_outbox_refused',
  help: 'Events that can not be sent and stay in the outbox, by source',
  labelNames: ['source'],
  registers: [metrics],
});

/** A vain try costs the producer. */
const TRY_LARGE_EVERY_MS = 30_000;

/**
 * Relays a source to Kafka until the process stops. After a failure it pauses, and begins again with fresh connections
 * behind what Kafka has acknowledged. Returns at once; /healthz says whether this process leads or stands by for the
 * source, and whether events wait that nobody sends.
 *
 * Guarantee: every committed event arrives at least once. First arrivals of a key's events are in order, except events
 * that the store did not report or no broker accepted at first: these arrive when they are found. After a failure or a
 * change of leader, older events may arrive again, then newer ones again; a leader that was paused may send old ones behind
 * its successor's newer ones. Readers ignore versions that they already have.
 *
 * @returns whether it is led or stood by for now
 */
export function relay(source: OutboxSource, options: RelayOptions): () => boolean {
  const { lifecycle, log } = options;
  const relaying = new Relaying(source, options);
  const fields = { source: source.name };
  const loop = startLoop((run) => relaying.run(run), { name: 'the relay', log, fields });
  lifecycle.onHealthy(`outbox of ${source.name}`, () => {
    if (!relaying.works) throw new Error(`can not be read, or Kafka is away${loop.problem ? `: ${loop.problem}` : ''}`);
    relaying.check();
  });
  lifecycle.onStop(`outbox of ${source.name}`, 'work', () => loop.stop());
  return () => relaying.works;
}

/** What one process does with one source. */
class Relaying {
  readonly #source: OutboxSource;
  readonly #options: RelayOptions;
  readonly #refused = new Refused();
  #waiting = new Waiting();
  #state: RelayState = 'starting';

  constructor(source: OutboxSource, options: RelayOptions) {
    this.#source = source;
    this.#options = options;
  }

  get works(): boolean {
    return this.#state !== 'starting';
  }

  /** @throws what keeps events from being sent */
  check(): void {
    const [reason, ...others] = this.#refused.reasons();
    if (reason) throw new Error(`${others.length + 1} of its events can not be sent: ${reason}`);
    if (!this.#waiting.overdue) return;
    const who = this.#state === 'standby' ? 'the relay that leads does not send them' : 'Kafka has not taken them';
    throw new Error(`events wait for more than ${OVERDUE_MS / 1_000} s: ${who}`);
  }

  #report(now: RelayState): void {
    const source = this.#source.name;
    if (now !== this.#state) {
      this.#options.log.info({ source, state: now }, 'relay');
      this.#waiting = new Waiting();
      this.#tell();
    }
    this.#state = now;
    leading.set({ source }, now === 'leading' ? 1 : 0);
  }

  async run({ signal, works }: Run): Promise<void> {
    this.#report('starting');
    const { name } = this.#source;
    let publisher: Promise<Publisher> | undefined;
    // Who stands by needs none.
    const open = (): Promise<Publisher> => {
      publisher ??= openPublisher(name, { ...this.#options, clientId: `relay-${name}` });
      return publisher;
    };
    const context: RelayContext = {
      publish: (rows) => this.#publish(rows, open),
      standBy: () => {
        this.#report('standby');
        works();
      },
      lead: async () => {
        await open();
        this.#report('leading');
        works();
      },
      waits: (oldest) => this.#look(oldest),
      signal,
    };
    try {
      await this.#source.run(context);
    } finally {
      this.#report('starting');
      if (publisher)
        await atMost(
          CLOSE_TIMEOUT_MS,
          publisher.then((opened) => opened.close()),
        );
    }
  }

  #look(oldest: string | undefined): boolean {
    const due = this.#waiting.look(oldest);
    this.#tell();
    if (due && oldest !== undefined && !this.#refused.has(oldest) && this.#state === 'leading') {
      this.#options.log.warn(
        { source: this.#source.name, oldest },
        'events wait in the outbox for too long: they are sent from there',
      );
    }
    return due;
  }

  async #publish(rows: StoredEvent[], open: () => Promise<Publisher>): Promise<string[]> {
    const keys = new Map<OutboxRecord, string>();
    for (const row of rows) {
      try {
        const event = parseStored(row);
        if (!this.#refused.pauses(row.key)) keys.set(event, row.key);
      } catch (error) {
        this.#refuse(row.key, (error as Error).message, 0);
      }
    }
    if (keys.size === 0) return [];
    const publisher = await open();
    const tooLarge = await publisher.publish([...keys.keys()]);
    for (const event of tooLarge) {
      this.#refuse(keys.get(event) ?? '', 'it is larger than the brokers take (max.message.bytes)', TRY_LARGE_EVERY_MS);
      keys.delete(event);
    }
    const sent = [...keys.values()];
    for (const key of sent) this.#refused.sent(key);
    return sent;
  }

  #refuse(key: string, why: string, pauseMs: number): void {
    const reason = `${key}: ${why}`;
    if (!this.#refused.add(key, reason, pauseMs)) return;
    this.#options.log.error({ source: this.#source.name, reason }, 'an event can not be sent: it stays in the outbox');
    this.#tell();
  }

  #tell(): void {
    const source = this.#source.name;
    overdue.set({ source }, this.#waiting.overdue ? 1 : 0);
    refused.set({ source }, this.#refused.reasons().length);
  }
}

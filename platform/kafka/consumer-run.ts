import type { Consumer, EachBatchPayload } from 'kafkajs';
import type { Logger } from '../process/log.ts';
import type { BatchHandler } from './batch.ts';
import { Offsets } from './offsets.ts';
import type { Standstills } from './standstills.ts';

export const HEARTBEAT_EVERY_MS = 2_000;
/** How long an idle fetch waits at the broker; it answers at once when a message comes. A stop waits for it. */
export const FETCH_WAIT_MS = 1_500;
/** A consumer that has had no answer for so long hangs; it is replaced. */
const HUNG_AFTER_MS = 30_000;

/** What goes on between the start and the end of one kafkajs consumer. */
export class ConsumerRun {
  readonly #consumer: Consumer;
  readonly #batches: BatchHandler;
  readonly #standstills: Standstills;
  readonly #offsets: Offsets;
  readonly #log: Logger;
  /** Whether it is a member of its group. */
  joined = false;
  /** Rejects when the consumer crashes or hangs; never resolves. */
  readonly ended: Promise<never>;
  #ending = false;
  #handling: Promise<void> | undefined;
  #lastAnswer = performance.now();
  /** When the fetch that is under way began, by broker. */
  readonly #fetching = new Map<number, number>();
  readonly #resting = new Set<NodeJS.Timeout>();
  #watchdog: NodeJS.Timeout | undefined;

  constructor(
    consumer: Consumer,
    batches: BatchHandler,
    standstills: Standstills,
    log: Logger,
    onJoin: () => void = () => undefined,
  ) {
    this.#consumer = consumer;
    this.#batches = batches;
    this.#standstills = standstills;
    this.#log = log;
    this.#offsets = new Offsets((offsets) => consumer.commitOffsets(offsets), log);
    this.ended = this.#watch(onJoin);
    this.ended.catch(() => undefined); // may come before anybody waits
  }

  /** For how long the brokers have owed an answer, in milliseconds. */
  get silentMs(): number {
    const now = performance.now();
    // That a fetch has ended says nothing: kafkajs ends one that failed in the same way. A heartbeat was answered.
    return Math.max(now - this.#lastAnswer, ...[...this.#fetching.values()].map((begun) => now - begun - FETCH_WAIT_MS));
  }

  #watch(onJoin: () => void): Promise<never> {
    const { events } = this.#consumer;
    const answered = (): void => {
      this.#lastAnswer = performance.now();
    };
    this.#consumer.on(events.HEARTBEAT, answered);
    this.#consumer.on(events.FETCH_START, ({ payload }) => this.#fetching.set(payload.nodeId, performance.now()));
    this.#consumer.on(events.FETCH, ({ payload }) => this.#fetching.delete(payload.nodeId));
    this.#consumer.on(events.GROUP_JOIN, () => {
      answered();
      this.#fetching.clear();
      this.joined = true;
      onJoin();
    });
    this.#consumer.on(events.REBALANCING, () => {
      this.joined = false;
      this.#offsets.drop();
      this.#standstills.forget();
    });
    return new Promise((_, reject) => {
      this.#consumer.on(events.CRASH, ({ payload }) => reject(payload.error));
      this.#watchdog = setInterval(() => {
        if (this.silentMs > HUNG_AFTER_MS) reject(new Error('the consumer hangs'));
      }, 5_000);
    });
  }

  async batch(payload: EachBatchPayload): Promise<void> {
    const work = this.#handle(payload);
    this.#handling = work.catch(() => undefined);
    try {
      await work;
    } finally {
      this.#handling = undefined;
    }
  }

  async #handle({ batch, resolveOffset, heartbeat, pause, isRunning, isStale }: EachBatchPayload): Promise<void> {
    // Handlers may wait long for a server that is away: the group must not take this member for dead.
    let lost: unknown;
    const beat = setInterval(() => {
      heartbeat().catch((error: unknown) => {
        lost = error;
      });
    }, HEARTBEAT_EVERY_MS);
    try {
      const restMs = await this.#batches.run(batch.topic, batch.partition, batch.messages, {
        alive: () => lost === undefined && !this.#ending && isRunning() && !isStale(),
        handled: (offset) => {
          resolveOffset(offset);
          this.#offsets.handled(batch.topic, batch.partition, offset);
        },
      });
      if (restMs > 0) this.#rest(pause(), restMs);
    } finally {
      clearInterval(beat);
    }
    if (lost !== undefined) {
      await this.#offsets.flush();
      throw lost; // kafkajs joins the group again, or crashes
    }
    await heartbeat();
  }

  /** Fetches of the paused partition go on after a while, from what was handled. */
  #rest(resume: () => void, ms: number): void {
    const timer = setTimeout(() => {
      this.#resting.delete(timer);
      resume();
    }, ms);
    this.#resting.add(timer);
  }

  /** Lets the running batch come to an end, commits, leaves the group. */
  async end(): Promise<void> {
    this.#ending = true;
    this.joined = false;
    clearInterval(this.#watchdog);
    for (const timer of this.#resting) clearTimeout(timer);
    await this.#handling;
    await this.#offsets.flush();
    this.#standstills.forget();
    await this.#consumer
      .disconnect()
      .catch((error: unknown) => this.#log.debug({ err: error }, 'the consumer did not leave its group'));
  }
}

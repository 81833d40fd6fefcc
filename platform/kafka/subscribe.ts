import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { whenAborted } from '../abort.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { BatchHandler } from './batch.ts';
import { kafkaClient } from './client.ts';
import { DeadLetters } from './dead-letter.ts';
import type { EventMessage } from './event-message.ts';
import { Offsets } from './offsets.ts';
import { ensureTopics, type TopicOptions } from './topics.ts';

export type { EventMessage } from './event-message.ts';

/**
 * Gets events of one partition in their order, at least once. When it returns they count as handled.
 * Throw a retryable MusubiError (or a socket's error) while a server that is needed is away.
 */
export type EventHandler = (events: EventMessage[]) => Promise<void>;

export interface Subscription extends TopicOptions {
  /** `host:port` of some brokers. */
  brokers: string[];
  /** Members of a group share the partitions; each group gets every event. */
  group: string;
  /** What handles the events of each topic. Topics are created when missing. */
  handlers: Readonly<Record<string, EventHandler>>;
  log: Logger;
  lifecycle: Lifecycle;
  /** Where a group begins that was never here before: at the oldest event (the default) or at what comes next. */
  fromBeginning?: boolean;
}

/** A member that is silent for so long is taken for dead, and its partitions go to others. */
const SESSION_TIMEOUT_MS = 8_000;
const HEARTBEAT_MS = 2_000;
/** How long an idle fetch waits at the broker; it answers at once when a message comes. A stop waits for it. */
const FETCH_WAIT_MS = 1_500;
/** A consumer that has not fetched or handled anything for so long hangs; it is replaced. */
const HUNG_AFTER_MS = 30_000;

/**
 * Subscribes a group to topics and goes on until the process stops, whatever becomes of the brokers: it returns at
 * once, /healthz says whether the group is joined. See {@link BatchHandler} for what happens when handling fails.
 */
export async function subscribe(subscription: Subscription): Promise<void> {
  const { group, lifecycle, log } = subscription;
  const member = new GroupMember(subscription);
  // Whoever subscribes answers requests too, from what it has got so far.
  lifecycle.onHealthy(`kafka group ${group}`, () => {
    if (!member.joined) throw new Error('the consumer has not joined its group');
  });
  lifecycle.onStop(`kafka group ${group}`, 'intake', () => member.stop());
  member.start();
  log.debug({ group, topics: Object.keys(subscription.handlers) }, 'subscribed');
}

/** A member of a consumer group that replaces its kafkajs consumer whenever that gives up. */
class GroupMember {
  readonly #options: Subscription;
  readonly #kafka: Kafka;
  readonly #deadLetters: DeadLetters;
  /** By topic. */
  readonly #batches: ReadonlyMap<string, BatchHandler>;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  joined = false;

  constructor(options: Subscription) {
    const { brokers, group, log, handlers } = options;
    this.#options = options;
    this.#kafka = kafkaClient({ brokers, clientId: group, log });
    const deadLetters = new DeadLetters(this.#kafka, group, log, options);
    this.#deadLetters = deadLetters;
    this.#batches = new Map(
      Object.entries(handlers).map(([topic, handle]) => [topic, new BatchHandler({ group, handle, log, deadLetters })]),
    );
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#deadLetters.close();
  }

  async #run(): Promise<void> {
    const { log, group } = this.#options;
    let told = '';
    for (let pause = 200; !this.#stop.signal.aborted; pause = Math.min(pause * 2, 2_000)) {
      const started = Date.now();
      try {
        await this.#consume();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        // Once, not at every try while the brokers are away.
        if (reason !== told || Date.now() - started > 30_000)
          log.warn({ reason, group }, 'the consumer begins anew, again and again until it can');
        told = reason;
      }
      if (Date.now() - started > 30_000) pause = 200;
      if (!this.#stop.signal.aborted) await delay(pause, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** One kafkajs consumer from its start to its end; throws when it crashed. */
  async #consume(): Promise<void> {
    const { group, handlers, fromBeginning = true, log } = this.#options;
    const topics = Object.keys(handlers);
    await ensureTopics(this.#kafka, topics, this.#options);
    const consumer = this.#kafka.consumer({
      groupId: group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      minBytes: 1,
      // This class restarts it instead, with nothing left over from the crash.
      retry: { retries: 5, initialRetryTime: 100, restartOnFailure: async () => false },
    });
    const run = new ConsumerRun(consumer, this.#batches, log);
    const ended = run.watch((joined) => {
      this.joined = joined;
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics, fromBeginning });
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: (batch) => run.batch(batch) });
      await Promise.race([ended, whenAborted(this.#stop.signal)]);
    } finally {
      this.joined = false;
      await run.end();
    }
  }
}

/** What goes on between the start and the end of one kafkajs consumer. */
class ConsumerRun {
  readonly #consumer: Consumer;
  readonly #batches: ReadonlyMap<string, BatchHandler>;
  readonly #offsets: Offsets;
  readonly #log: Logger;
  #ending = false;
  #handling: Promise<void> | undefined;
  #lastSign = Date.now();
  #watchdog: NodeJS.Timeout | undefined;

  constructor(consumer: Consumer, batches: ReadonlyMap<string, BatchHandler>, log: Logger) {
    this.#consumer = consumer;
    this.#batches = batches;
    this.#log = log;
    this.#offsets = new Offsets((offsets) => consumer.commitOffsets(offsets), log);
  }

  /** Rejects when the consumer crashes or hangs; never resolves. */
  watch(onJoined: (joined: boolean) => void): Promise<never> {
    const { events } = this.#consumer;
    const sign = (): void => {
      this.#lastSign = Date.now();
    };
    this.#consumer.on(events.FETCH, sign);
    this.#consumer.on(events.GROUP_JOIN, () => {
      sign();
      onJoined(true);
    });
    this.#consumer.on(events.REBALANCING, () => {
      onJoined(false);
      this.#offsets.drop();
    });
    const ended = new Promise<never>((_, reject) => {
      this.#consumer.on(events.CRASH, ({ payload }) => reject(payload.error));
      this.#watchdog = setInterval(() => {
        if (!this.#handling && Date.now() - this.#lastSign > HUNG_AFTER_MS) reject(new Error('the consumer hangs'));
      }, 5_000);
    });
    ended.catch(() => undefined); // may come before anybody waits
    return ended;
  }

  async batch(payload: EachBatchPayload): Promise<void> {
    const work = this.#handle(payload);
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#handling = settled;
    try {
      await work;
    } finally {
      this.#handling = undefined;
      this.#lastSign = Date.now();
    }
  }

  async #handle({ batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    // Handlers may wait long for a server that is away: the group must not take this member for dead.
    let lost: unknown;
    const beat = setInterval(() => {
      heartbeat().catch((error: unknown) => {
        lost = error;
      });
    }, HEARTBEAT_MS);
    try {
      await this.#batches.get(batch.topic)?.run(batch.topic, batch.partition, batch.messages, {
        alive: () => lost === undefined && !this.#ending && isRunning() && !isStale(),
        handled: (offset) => {
          resolveOffset(offset);
          this.#offsets.handled(batch.topic, batch.partition, offset);
        },
      });
    } finally {
      clearInterval(beat);
    }
    if (lost !== undefined) {
      await this.#offsets.flush();
      throw lost; // kafkajs joins the group again, or crashes
    }
    await heartbeat();
  }

  /** Lets the running batch come to an end, commits, leaves the group. */
  async end(): Promise<void> {
    this.#ending = true;
    clearInterval(this.#watchdog);
    await this.#handling;
    await this.#offsets.flush();
    await this.#consumer
      .disconnect()
      .catch((error: unknown) => this.#log.debug({ err: error }, 'the consumer did not leave its group'));
  }
}

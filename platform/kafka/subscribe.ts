import type { Kafka } from 'kafkajs';
import { whenAborted } from '../concurrency/abort.ts';
import { type Loop, type Run, startLoop } from '../concurrency/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import type { Logger } from '../process/log.ts';
import { sparing } from '../process/probe.ts';
import { BatchHandler } from './batch.ts';
import { kafkaClient } from './client.ts';
import { ConsumerRun, FETCH_WAIT_MS, HEARTBEAT_EVERY_MS } from './consumer-run.ts';
import { DeadLetters, redriveTopic } from './dead-letter.ts';
import type { EventMessage } from './event-message.ts';
import { Standstills } from './standstills.ts';
import { ensureTopics, type TopicOptions } from './topics.ts';

export type { EventMessage } from './event-message.ts';
export { PoisonError } from './poison.ts';

/**
 * Gets events of one partition in their order, at least once. When it returns they count as handled.
 * Throw PoisonError for an event that is not as agreed: it is parked. After any other error the same events come again.
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
/** Brokers that have not answered for so long are away, even if the connection stands: a heartbeat is due every 2 s or so. */
const SILENT_AFTER_MS = 6_000;
/** How often the parked messages are counted for the metrics. */
const COUNT_EVERY_MS = 15_000;

/**
 * Subscribes a group to topics and goes on until the process stops, also while brokers are away: it returns at
 * once. /healthz says whether the group is joined, the brokers answer, and events are handled; and, as somebody has to
 * look at them, how many messages are parked. See {@link BatchHandler} for what happens when handling fails.
 */
export function subscribe(subscription: Subscription): void {
  const { group, lifecycle, log } = subscription;
  const member = new GroupMember(subscription);
  // Whoever subscribes answers requests too, from what it has got so far.
  lifecycle.onHealthy(`kafka group ${group}`, () => member.check());
  lifecycle.onAttention(`dead letters of ${group}`, async () => {
    const count = await member.parked();
    if (count > 0) throw new Error(`${count} messages are parked: node main.ts redrive --list --group ${group}`);
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
  readonly #standstills: Standstills;
  readonly #batches: BatchHandler;
  readonly #count: () => Promise<void>;
  #consuming: Loop | undefined;
  #counting: Loop | undefined;
  /** How many were parked when it was last known. */
  #parked = 0;
  #consumer: ConsumerRun | undefined;

  constructor(options: Subscription) {
    const { brokers, group, log, handlers, replication } = options;
    this.#options = options;
    this.#kafka = kafkaClient({ brokers, clientId: group, log });
    this.#deadLetters = new DeadLetters(this.#kafka, group, log, replication);
    this.#standstills = new Standstills(group, log);
    this.#batches = new BatchHandler({ group, handlers, deadLetters: this.#deadLetters, standstills: this.#standstills });
    this.#count = sparing(async () => {
      this.#parked = await this.#deadLetters.count();
    }, 2_000);
  }

  start(): void {
    const { log, group } = this.#options;
    this.#consuming = startLoop((run) => this.#consume(run), { name: 'the consumer', log, fields: { group } });
    this.#counting = startLoop(() => this.parked(), { name: 'counting parked messages', log, everyMs: COUNT_EVERY_MS });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#consuming?.stop(), this.#counting?.stop(LOOP_STOP_TIMEOUT_MS)]);
    await this.#deadLetters.close();
  }

  /** Throws unless events come and are handled. */
  check(): void {
    if (!this.#consumer?.joined) {
      const { problem } = this.#consuming ?? {};
      throw new Error(`the consumer has not joined its group${problem ? `: ${problem}` : ''}`);
    }
    const silentMs = this.#consumer.silentMs;
    if (silentMs > SILENT_AFTER_MS) throw new Error(`the brokers have not answered for ${Math.round(silentMs / 1_000)} s`);
    const standstill = this.#standstills.describe();
    if (standstill) throw new Error(standstill);
  }

  /** How many messages are parked; while nobody can be asked, how many there were. */
  async parked(): Promise<number> {
    if (this.#consumer?.joined) await this.#count().catch(() => undefined);
    return this.#parked;
  }

  /** One kafkajs consumer from its start to its end; throws when it crashed. */
  async #consume({ signal, works }: Run): Promise<void> {
    const { group, handlers, fromBeginning = true, log } = this.#options;
    const topics = Object.keys(handlers);
    await ensureTopics(this.#kafka, topics, this.#options);
    await this.#deadLetters.ensureTopics();
    const consumer = this.#kafka.consumer({
      groupId: group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_EVERY_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      minBytes: 1,
      // This class restarts it instead, with nothing left over from the crash.
      retry: { retries: 5, initialRetryTime: 100, restartOnFailure: async () => false },
    });
    const run = new ConsumerRun(consumer, this.#batches, this.#standstills, log, works);
    this.#consumer = run;
    try {
      await consumer.connect();
      await consumer.subscribe({ topics, fromBeginning });
      await consumer.subscribe({ topics: [redriveTopic(group)], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: (batch) => run.batch(batch) });
      await Promise.race([run.ended, whenAborted(signal)]);
    } finally {
      this.#consumer = undefined;
      await run.end();
    }
  }
}

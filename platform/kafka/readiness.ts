import type { Admin } from 'kafkajs';
import type { Lifecycle } from '../process/lifecycle.ts';
import { sparing } from '../process/probe.ts';
import { type KafkaOptions, kafkaClient } from './client.ts';
import { Reopened } from './reopened.ts';

/** For questions that are asked again soon: one that is not answered at once fails. */
function asking(options: KafkaOptions): Reopened<Admin> {
  const kafka = kafkaClient({ ...options, requestTimeoutMs: 2_000, retries: 0 });
  return new Reopened(() => kafka.admin());
}

/**
 * For a process that only writes: says in /healthz whether the brokers answer, by asking them when it is probed. A
 * producer learns that they are silent when it has something to send, and only after a while.
 */
export function followBrokers(options: KafkaOptions, lifecycle: Lifecycle): void {
  const admin = asking(options);
  lifecycle.onHealthy(
    'kafka',
    sparing(() => admin.use((open) => open.describeCluster()), 2_000),
  );
  lifecycle.onStop('kafka', 'stores', () => admin.close());
}

/** Where the log of one partition ends: the offset of the next message. */
export interface LogEnd {
  topic: string;
  partition: number;
  high: string;
}

/** Where the logs of topics end. */
export class LogEnds {
  readonly #admin: Reopened<Admin>;

  constructor(options: KafkaOptions) {
    this.#admin = asking(options);
  }

  /** Of every partition of those topics that exist. */
  of(topics: readonly string[]): Promise<LogEnd[]> {
    return this.#admin.use(async (open) => {
      const existing = new Set(await open.listTopics());
      const ends: LogEnd[] = [];
      for (const topic of topics.filter((each) => existing.has(each))) {
        for (const { partition, high } of await open.fetchTopicOffsets(topic)) ends.push({ topic, partition, high });
      }
      return ends;
    });
  }

  /** Never rejects. */
  close(): Promise<void> {
    return this.#admin.close();
  }
}

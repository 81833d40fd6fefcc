import type { Lifecycle } from '../lifecycle.ts';
import { sparing } from '../probe.ts';
import { type KafkaOptions, kafkaClient } from './client.ts';
import { Reopened } from './reopened.ts';

/**
 * For a process that only writes: says in /healthz whether the brokers answer, by asking them when it is probed. A
 * producer learns that they are silent when it has something to send, and only after a while.
 */
export function followBrokers(options: KafkaOptions, lifecycle: Lifecycle): void {
  const kafka = kafkaClient({ ...options, requestTimeoutMs: 2_000, retries: 0 });
  const admin = new Reopened(() => kafka.admin());
  lifecycle.onHealthy(
    'kafka',
    sparing(() => admin.use((open) => open.describeCluster()), 2_000),
  );
  lifecycle.onStop('kafka', 'stores', () => admin.close());
}

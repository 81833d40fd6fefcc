import type { Admin } from 'kafkajs';
import type { Lifecycle } from '../lifecycle.ts';
import { sparing } from '../probe.ts';
import { type KafkaOptions, kafkaClient } from './client.ts';

/**
 * For a process that only writes: says in /healthz whether the brokers answer, by asking them when it is probed. A
 * producer learns that they are silent when it has something to send, and only after a while.
 */
export function followBrokers(options: KafkaOptions, lifecycle: Lifecycle): void {
  const kafka = kafkaClient({ ...options, requestTimeoutMs: 2_000, retries: 0 });
  let admin: Promise<Admin> | undefined;
  const close = async (): Promise<void> => {
    const open = admin;
    admin = undefined;
    await open?.then((connected) => connected.disconnect()).catch(() => undefined);
  };
  const connect = async (): Promise<Admin> => {
    const made = kafka.admin();
    await made.connect();
    return made;
  };
  lifecycle.onHealthy(
    'kafka',
    sparing(async () => {
      admin ??= connect();
      try {
        await (await admin).describeCluster();
      } catch (error) {
        close().catch(() => undefined);
        throw error;
      }
    }, 2_000),
  );
  lifecycle.onStop('kafka', 'stores', close);
}

import type { OutboxRecord } from '../outbox/event.ts';
import type { Lifecycle } from '../process/lifecycle.ts';
import { createLogger, type Logger } from '../process/log.ts';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { newId } from '../validation/id.ts';
import { kafkaClient } from './client.ts';
import { deadLetterTopic, redriveTopic } from './dead-letter.ts';
import { openPublisher } from './publish.ts';
import { type EventHandler, subscribe } from './subscribe.ts';

/* For tests of groups: events of a topic of one's own, and members that handle them. */

const log: Logger = createLogger('test-kafka', process.env.MUSUBI_TEST_LOG_LEVEL ?? 'silent');

export const client = (brokers = servers.kafka()) => kafkaClient({ brokers, clientId: 'test', log });

export function record(aggregateType: string, aggregateId: string, version: number): OutboxRecord {
  return {
    id: newId(),
    aggregateType,
    aggregateId,
    version,
    type: 'tested',
    payload: { version },
    traceparent: '',
    time: new Date(),
  };
}

export async function publish(events: OutboxRecord[], partitions = 1, brokers = servers.kafka()): Promise<void> {
  const publisher = await openPublisher('test', { brokers, clientId: 'test', log, partitions });
  await publisher.publish(events);
  await publisher.close();
}

/** A member of a group that keeps what it handles. */
export async function member(
  topic: string,
  group: string,
  handle: EventHandler,
  partitions = 1,
  brokers = servers.kafka(),
): Promise<Lifecycle> {
  const { lifecycle } = testProcess(group);
  subscribe({ brokers, group, handlers: { [topic]: handle }, log, lifecycle, partitions });
  return lifecycle;
}

export const joined = (lifecycle: Lifecycle) => until(async () => Object.keys(await lifecycle.degraded()).length === 0, 'joined');

/** Events come at least once: a member that the machine let wait too long is given them again. The first arrivals count. */
export const firsts = <T>(handled: readonly T[]): T[] => [...new Set(handled)];

/** Removes topics, and those that groups have of their own. */
export async function removeTopics(topics: string[], groups: string[] = []): Promise<void> {
  const admin = client().admin();
  await admin.connect();
  const existing = new Set(await admin.listTopics());
  const all = [...topics, ...groups.flatMap((group) => [deadLetterTopic(group), redriveTopic(group)])];
  await admin.deleteTopics({ topics: all.filter((topic) => existing.has(topic)) });
  await admin.deleteGroups(groups).catch(() => undefined);
  await admin.disconnect();
}

export interface Kept {
  key: string;
  value: string;
  headers: Record<string, string>;
}

/** Everything of a topic's one partition from its beginning. */
export async function readAll(topic: string, count: number): Promise<Kept[]> {
  const groupId = uniqueName('test-reader');
  const consumer = client().consumer({ groupId, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const messages: Kept[] = [];
  await consumer.run({
    eachMessage: async ({ message: { key, value, headers = {} } }) => {
      const texts = Object.entries(headers).map(([name, text]) => [name, String(text)]);
      messages.push({ key: String(key), value: String(value), headers: Object.fromEntries(texts) });
    },
  });
  await until(() => messages.length >= count, `${count} messages of ${topic}`);
  await consumer.disconnect();
  await removeTopics([], [groupId]);
  return messages;
}

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Partitioners } from 'kafkajs';
import { failedPrecondition, unavailable } from '../errors.ts';
import { newId } from '../id.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { OutboxRecord } from '../outbox/event.ts';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { kafkaClient } from './client.ts';
import { openPublisher } from './publish.ts';
import { type EventHandler, type EventMessage, subscribe } from './subscribe.ts';

const { log } = testProcess('test-kafka');
const client = () => kafkaClient({ brokers: servers.kafka(), clientId: 'test', log });

function record(aggregateType: string, aggregateId: string, version: number): OutboxRecord {
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

async function publish(events: OutboxRecord[], partitions = 1): Promise<void> {
  const publisher = await openPublisher('test', { brokers: servers.kafka(), clientId: 'test', log, partitions });
  await publisher.publish(events);
  await publisher.close();
}

/** A member of a group that keeps what it handles. */
async function member(topic: string, group: string, handle: EventHandler, partitions = 1): Promise<Lifecycle> {
  const { lifecycle } = testProcess(group);
  await subscribe({ brokers: servers.kafka(), group, handlers: { [topic]: handle }, log, lifecycle, partitions });
  return lifecycle;
}

async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  for (const deadline = Date.now() + ms; !(await condition()); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
  }
}

const joined = (lifecycle: Lifecycle) => until('joined', async () => Object.keys(await lifecycle.degraded()).length === 0);

/** Events come at least once: a member that the machine let wait too long is given them again. The first arrivals count. */
const firsts = <T>(handled: readonly T[]): T[] => [...new Set(handled)];

async function removeTopics(...topics: string[]): Promise<void> {
  const admin = client().admin();
  await admin.connect();
  const existing = new Set(await admin.listTopics());
  await admin.deleteTopics({ topics: topics.filter((topic) => existing.has(topic)) });
  await admin.disconnect();
}

/** Everything of a topic's one partition from its beginning. */
async function readAll(topic: string, count: number): Promise<{ value: string; headers: Record<string, string> }[]> {
  const consumer = client().consumer({ groupId: uniqueName('test-reader'), maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const messages: { value: string; headers: Record<string, string> }[] = [];
  await consumer.run({
    eachMessage: async ({ message }) => {
      const headers = Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]));
      messages.push({ value: String(message.value), headers });
    },
  });
  await until(`${count} messages of ${topic}`, () => messages.length >= count);
  await consumer.disconnect();
  return messages;
}

test('poison is parked with its reason, and the partition goes on behind it', async (t) => {
  const type = uniqueName('test-poison');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  await publish([record(type, 'a', 1), record(type, 'bad', 1), record(type, 'a', 2)]);
  const producer = client().producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const headers = {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: newId(),
    ce_type: 'tested',
    ce_source: '/test',
    ce_time: new Date().toISOString(),
    ce_subject: 'a',
    ce_aggregateversion: '3',
  };
  await producer.send({ topic, messages: [{ key: 'a', value: '{"not json', headers }] });
  await producer.send({ topic, messages: [{ key: 'a', value: '{}', headers: { ce_id: 'alone' } }] });
  await producer.send({ topic, messages: [{ key: 'a', value: null, headers }] });
  await producer.disconnect();
  await publish([record(type, 'a', 4)]);

  const handled: string[] = [];
  const lifecycle = await member(topic, group, async (events) => {
    if (events.some(({ subject }) => subject === 'bad')) throw failedPrecondition('JOB_FAILED', 'this one is bad');
    handled.push(...events.map(({ subject, version }) => `${subject} ${version}`));
  });
  await until('the last is handled', () => handled.includes('a 4'));
  t.deepEqual(firsts(handled), ['a 1', 'a 2', 'a 4']);

  const parked = await readAll(`${group}.dead-letter`, 4);
  t.regex(parked[0]?.headers.dlq_reason ?? '', /This one is bad/);
  t.like(parked[0]?.headers, { dlq_topic: topic, dlq_partition: '0', dlq_offset: '1', ce_subject: 'bad' });
  t.regex(parked[1]?.headers.dlq_reason ?? '', /JSON/);
  t.is(parked[1]?.value, '{"not json');
  t.regex(parked[2]?.headers.dlq_reason ?? '', /ce_specversion/);
  t.regex(parked[3]?.headers.dlq_reason ?? '', /no value/);

  await lifecycle.stop('tested');
  await removeTopics(topic, `${group}.dead-letter`);
});

test('while a server is away the same events are tried for ever, in order', async (t) => {
  const type = uniqueName('test-away');
  const topic = `${type}.events`;
  await publish([1, 2, 3].map((version) => record(type, 'a', version)));
  const handled: number[] = [];
  let tries = 0;
  const lifecycle = await member(topic, uniqueName('test-group'), async (events) => {
    tries++;
    // More often than an event is tried before it is parked.
    if (tries <= 6)
      throw tries % 2 ? unavailable('STORE_UNAVAILABLE', 'away') : Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    handled.push(...events.map(({ version }) => version));
  });
  await until('handled', () => handled.includes(3));
  t.deepEqual(firsts(handled), [1, 2, 3]);
  await lifecycle.stop('tested');
  await removeTopics(topic);
});

test('members of a group share the partitions; one that joins or leaves loses and reorders nothing', async (t) => {
  const type = uniqueName('test-share');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const received = new Map<string, number[]>();
  const handle = async (events: EventMessage[]): Promise<void> => {
    await sleep(2);
    for (const { subject, version } of events) received.set(subject, [...(received.get(subject) ?? []), version]);
  };
  const first = await member(topic, group, handle, 3);
  await joined(first);
  const keys = Array.from({ length: 9 }, (_, at) => `key-${at}`);
  let version = 0;
  const batch = async (): Promise<void> => {
    version++;
    await publish(
      keys.map((key) => record(type, key, version)),
      3,
    );
  };
  for (let turn = 0; turn < 10; turn++) await batch();
  const second = await member(topic, group, handle, 3);
  for (let turn = 0; turn < 10; turn++) await batch();
  await joined(second);
  for (let turn = 0; turn < 10; turn++) await batch();
  await first.stop('tested');
  for (let turn = 0; turn < 10; turn++) await batch();

  const complete = () => keys.every((key) => received.get(key)?.includes(version));
  await until('all arrive', complete);
  for (const key of keys) {
    t.deepEqual(
      firsts(received.get(key) ?? []),
      Array.from({ length: version }, (_, at) => at + 1),
      key,
    );
  }
  await second.stop('tested');
  await removeTopics(topic);
});

test('a group goes on where it was', async (t) => {
  const type = uniqueName('test-resume');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const handled: number[] = [];
  const handle = async (events: EventMessage[]): Promise<void> => void handled.push(...events.map(({ version }) => version));
  await publish([record(type, 'a', 1)]);
  const first = await member(topic, group, handle);
  await until('the first is handled', () => handled.length > 0);
  await first.stop('tested');
  await publish([record(type, 'a', 2)]);
  const second = await member(topic, group, handle);
  await until('the second is handled', () => handled.includes(2));
  t.deepEqual(handled, [1, 2]);
  await second.stop('tested');
  await removeTopics(topic);
});

test('each topic has its own handler', async (t) => {
  const types = [uniqueName('test-one'), uniqueName('test-two')];
  const topics = types.map((type) => `${type}.events`);
  await publish(types.flatMap((type) => [record(type, 'a', 1), record(type, 'a', 2)]));
  const handled = new Map(topics.map((topic) => [topic, [] as string[]]));
  const handlers = Object.fromEntries(
    topics.map((topic) => [
      topic,
      async (events: EventMessage[]) =>
        void handled.get(topic)?.push(...events.map((event) => `${event.topic} ${event.version}`)),
    ]),
  );
  const { lifecycle } = testProcess('test-topics');
  await subscribe({ brokers: servers.kafka(), group: uniqueName('test-group'), handlers, log, lifecycle, partitions: 1 });
  await until('all are handled', () => [...handled.values()].every((events) => firsts(events).length === 2));
  for (const [topic, events] of handled) t.deepEqual(firsts(events), [`${topic} 1`, `${topic} 2`]);
  await lifecycle.stop('done');
  await removeTopics(...topics);
});

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { createLogger } from '../process/log.ts';
import { currentTraceId, startTelemetry } from '../process/telemetry.ts';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { firsts, joined, member, publish, record, removeTopics } from './kafka.fixture.ts';
import { type EventMessage, subscribe } from './subscribe.ts';

const log = createLogger('test-kafka', 'silent');
startTelemetry('test', {});

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
  await until(complete, 'all arrive');
  for (const key of keys) {
    t.deepEqual(
      firsts(received.get(key) ?? []),
      Array.from({ length: version }, (_, at) => at + 1),
      key,
    );
  }
  await second.stop('tested');
  await removeTopics([topic], [group]);
});

test('a group goes on where it was', async (t) => {
  const type = uniqueName('test-resume');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const handled: number[] = [];
  const handle = async (events: EventMessage[]): Promise<void> => void handled.push(...events.map(({ version }) => version));
  await publish([record(type, 'a', 1)]);
  const first = await member(topic, group, handle);
  await until(() => handled.length > 0, 'the first is handled');
  await first.stop('tested');
  await publish([record(type, 'a', 2)]);
  const second = await member(topic, group, handle);
  await until(() => handled.includes(2), 'the second is handled');
  t.deepEqual(handled, [1, 2]);
  await second.stop('tested');
  await removeTopics([topic], [group]);
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
  const group = uniqueName('test-group');
  subscribe({ brokers: servers.kafka(), group, handlers, log, lifecycle, partitions: 1 });
  await until(() => [...handled.values()].every((events) => firsts(events).length === 2), 'all are handled');
  for (const [topic, events] of handled) t.deepEqual(firsts(events), [`${topic} 1`, `${topic} 2`]);
  await lifecycle.stop('done');
  await removeTopics(topics, [group]);
});

test('an event is handled inside the trace of its change', async (t) => {
  const type = uniqueName('test-trace');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const traces = new Map<number, string | undefined>();
  const lifecycle = await member(topic, group, async (events) => {
    for (const { version } of events) traces.set(version, currentTraceId());
  });
  await joined(lifecycle);
  await publish([{ ...record(type, 'a', 1), traceparent: `00-${traceId}-b7ad6b7169203331-01` }]);
  await until(() => traces.has(1), 'it is handled');
  await publish([record(type, 'a', 2)]);
  await until(() => traces.has(2), 'the next is handled');
  t.deepEqual(
    [...traces],
    [
      [1, traceId],
      [2, undefined],
    ],
  );
  await lifecycle.stop('tested');
  await removeTopics([topic], [group]);
});

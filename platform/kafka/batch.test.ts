import test from 'ava';
import kafkajs from 'kafkajs'; // it exports its enums to CommonJS only
import { unavailable } from '../errors.ts';
import { createLogger } from '../process/log.ts';
import { metrics } from '../process/telemetry.ts';
import { uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { newId } from '../validation/id.ts';
import { BatchHandler } from './batch.ts';
import type { DeadLetters } from './dead-letter.ts';
import { type ReceivedMessage, toWire } from './event-message.ts';
import { client, firsts, joined, member, publish, readAll, record, removeTopics } from './kafka.fixture.ts';
import { type Place, Standstills } from './standstills.ts';
import { type EventMessage, PoisonError } from './subscribe.ts';
import { ensureTopics } from './topics.ts';

const { ConfigResourceTypes, Partitioners } = kafkajs;

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
    if (events.some(({ subject }) => subject === 'bad')) throw new PoisonError('this one is bad');
    handled.push(...events.map(({ subject, version }) => `${subject} ${version}`));
  });
  await until(() => handled.includes('a 4'), 'the last is handled');
  t.deepEqual(firsts(handled), ['a 1', 'a 2', 'a 3', 'a 4'], 'an event without a value is a tombstone');

  const parked = await readAll(`${group}.dead-letter`, 3);
  t.regex(parked[0]?.headers.dlq_reason ?? '', /This one is bad/);
  t.like(parked[0]?.headers, { dlq_topic: topic, dlq_partition: '0', dlq_offset: '1', ce_subject: 'bad' });
  t.regex(parked[1]?.headers.dlq_reason ?? '', /JSON/);
  t.is(parked[1]?.value, '{"not json');
  t.regex(parked[2]?.headers.dlq_reason ?? '', /ce_specversion/);

  await lifecycle.stop('tested');
  await removeTopics([topic], [group]);
});

test('poison among many is found without a pause, and no other event is told of as one that can not be handled', async (t) => {
  const type = uniqueName('test-among');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const events = Array.from({ length: 60 }, (_, at) => record(type, at === 30 ? 'bad' : `key-${at}`, 1));
  await publish(events);
  const handled: string[] = [];
  const lifecycle = await member(topic, group, async (given) => {
    if (given.some(({ subject }) => subject === 'bad')) throw new PoisonError('this one is bad');
    handled.push(...given.map(({ subject }) => subject));
  });
  await until(() => handled.includes('key-59'), 'the last is handled');
  t.deepEqual(
    firsts(handled),
    events.map(({ aggregateId }) => aggregateId).filter((key) => key !== 'bad'),
  );
  t.notRegex(await metrics.metrics(), new RegExp(`musubi_event_retries_total\\{group="${group}"`));
  await lifecycle.stop('tested');
  await removeTopics([topic], [group]);
});

test('a message as large as the brokers take it is parked, though headers are added', async (t) => {
  const type = uniqueName('test-large');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  await ensureTopics(client(), [topic], { partitions: 1 });
  const producer = client().producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const taken = async (bytes: number): Promise<boolean> => {
    try {
      await producer.send({ topic, messages: [{ key: 'a', value: Buffer.alloc(bytes, 'x') }] });
      return true;
    } catch (error) {
      if ((error as { type?: string }).type === 'MESSAGE_TOO_LARGE') return false;
      throw error;
    }
  };
  let bytes = 1_048_588;
  while (!(await taken(bytes))) bytes -= 10;
  await producer.disconnect();
  await publish([record(type, 'a', 1)]);
  const handled: string[] = [];
  const lifecycle = await member(topic, group, async (events) => void handled.push(...events.map(({ subject }) => subject)));
  await until(() => handled.includes('a'), 'the one behind is handled');
  const [letter] = await readAll(`${group}.dead-letter`, 1);
  t.is(letter?.value.length, bytes);
  await lifecycle.stop('tested');
  await removeTopics([topic], [group]);
});

test('while a server is away the same events are tried for ever, in order', async (t) => {
  const type = uniqueName('test-away');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  await publish([1, 2, 3].map((version) => record(type, 'a', version)));
  const handled: number[] = [];
  let tries = 0;
  const lifecycle = await member(topic, group, async (events) => {
    tries++;
    if (tries <= 6)
      throw tries % 2 ? unavailable('STORE_UNAVAILABLE', 'away') : Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    handled.push(...events.map(({ version }) => version));
  });
  await until(() => handled.includes(3), 'handled');
  t.deepEqual(firsts(handled), [1, 2, 3]);
  await lifecycle.stop('tested');
  await removeTopics([topic], [group]);
});

/** What stores say that are in trouble, and what a defect of ours throws: no list of them would be complete. */
const TROUBLES = [
  Object.assign(new Error('password authentication failed for user "musubi"'), { code: '28P01' }),
  Object.assign(new Error("OOM command not allowed when used memory > 'maxmemory'."), { name: 'ReplyError' }),
  new Error('MISCONF Errors writing to the AOF file: No space left on device'),
  new TypeError("Cannot read properties of undefined (reading 'of a defect of ours')"),
];

test('whatever else fails is waited for: nothing is parked, its partition waits, the others go on, and it is told', async (t) => {
  const type = uniqueName('test-standstill');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const events = Array.from({ length: 8 }, (_, at) => record(type, `key-${at}`, 1));
  const [bad] = events;
  await publish([...events, record(type, 'key-0', 2)], 2);
  const handled: EventMessage[] = [];
  let fixed = false;
  let tries = 0;
  const seen: EventMessage[] = [];
  const handle = async (given: EventMessage[]): Promise<void> => {
    seen.push(...given);
    if (!fixed && given.some(({ id }) => id === bad?.id)) throw TROUBLES[tries++ % TROUBLES.length];
    handled.push(...given);
  };
  const lifecycle = await member(topic, group, handle, 2);
  // More often than it was once tried before it was parked.
  await until(() => tries >= 8, 'it is tried');
  const standing = seen.find(({ id }) => id === bad?.id)?.partition;
  const elsewhere = () => handled.filter(({ partition }) => partition !== standing).length;
  await until(() => elsewhere() > 0, 'the other partition goes on');
  t.false(handled.some(({ subject }) => subject === 'key-0'));
  const told = (await lifecycle.degraded())[`kafka group ${group}`] ?? '';
  t.regex(told, new RegExp(`event ${bad?.id} of ${topic}/${standing} at offset 0 has waited for \\d+ s: `));

  // Events of the other partition come as ever, however long this one stands.
  const before = elsewhere();
  const other = handled.find(({ partition }) => partition !== standing)?.subject ?? '';
  await publish([record(type, other, 2)], 2);
  await until(() => elsewhere() > before, 'the other partition still goes on');

  fixed = true;
  const arrived = (subject: string) => firsts(handled.filter((one) => one.subject === subject).map(({ version }) => version));
  await until(() => arrived('key-0').length === 2, 'everything is handled');
  t.deepEqual(arrived('key-0'), [1, 2]);
  for (const { aggregateId } of events) t.is(arrived(aggregateId)[0], 1, aggregateId);
  await joined(lifecycle);
  t.deepEqual(await lifecycle.attention(), {}, 'nothing is parked');
  await lifecycle.stop('tested');
  await removeTopics([topic], [group]);
});

test('an event counts as handled when it is: whoever stops while its store is away leaves it to the next', async (t) => {
  const type = uniqueName('test-marks');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  await publish([1, 2, 3].map((version) => record(type, 'a', version)));
  let tries = 0;
  const first = await member(topic, group, async () => {
    tries++;
    throw unavailable('STORE_UNAVAILABLE', 'away');
  });
  // Longer than a mark waits for its commit; a stop commits what is left.
  await until(() => tries >= 4, 'it is tried');
  await first.stop('tested');
  const handled: number[] = [];
  const second = await member(topic, group, async (events) => void handled.push(...events.map(({ version }) => version)));
  await publish([record(type, 'a', 4)]);
  await until(() => handled.includes(4), 'the last is handled');
  t.deepEqual(firsts(handled), [1, 2, 3, 4]);
  await second.stop('tested');
  await removeTopics([topic], [group]);
});

test('what can not be parked is not passed over: it waits, and is told, until it can', async (t) => {
  const type = uniqueName('test-unparkable');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const deadLetters = `${group}.dead-letter`;
  await ensureTopics(client(), [deadLetters], { partitions: 1 });
  const admin = client().admin();
  await admin.connect();
  const takes = (bytes: number) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name: deadLetters,
          configEntries: [{ name: 'max.message.bytes', value: String(bytes) }],
        },
      ],
    });
  await takes(10);
  await publish([record(type, 'bad', 1), record(type, 'a', 1)]);
  const handled: string[] = [];
  const lifecycle = await member(topic, group, async (events) => {
    if (events.some(({ subject }) => subject === 'bad')) throw new PoisonError('this one is bad');
    handled.push(...events.map(({ subject }) => subject));
  });
  const told = async () => (await lifecycle.degraded())[`kafka group ${group}`] ?? '';
  await until(async () => /at offset 0 has waited/.test(await told()), 'it is told');
  t.deepEqual(handled, []);
  await takes(1_000_000);
  await until(() => handled.includes('a'), 'the one behind is handled');
  const [letter] = await readAll(deadLetters, 1);
  t.is(letter?.headers.dlq_reason, 'This one is bad.');
  await lifecycle.stop('tested');
  await admin.disconnect();
  await removeTopics([topic], [group]);
});

test('an event that nobody of the group handles is parked: it does not count as handled', async (t) => {
  const parked: [offset: string, reason: string][] = [];
  const park = async ({ offset }: Place, _: ReceivedMessage, reason: Error): Promise<void> =>
    void parked.push([offset, reason.message]);
  const handled: string[] = [];
  const control = { alive: () => true, handled: (offset: string) => void handled.push(offset) };
  const messages = ['7', '8'].map((offset): ReceivedMessage => {
    const { value, headers } = toWire(record('test', 'a', 1), 'test', '');
    return { offset, key: null, value: Buffer.from(value ?? ''), headers };
  });
  for (const handlers of [{}, { 'test.events': undefined }]) {
    const batches = new BatchHandler({
      group: 'test',
      handlers: handlers as Record<string, never>,
      deadLetters: { park } as unknown as DeadLetters,
      standstills: new Standstills('test', createLogger('test', 'silent')),
    });
    t.is(await batches.run('test.events', 0, messages, control), 0);
  }
  const reason = 'Nobody of this group handles test.events.';
  const all = ['7', '8', '7', '8'];
  t.deepEqual(
    parked,
    all.map((offset) => [offset, reason]),
  );
  t.deepEqual(handled, all);
});

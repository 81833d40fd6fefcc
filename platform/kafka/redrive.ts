import { randomUUID } from 'node:crypto';
import { type Admin, type Kafka, type Message, Partitioners } from 'kafkajs';
import type { z } from 'zod';
import type { Logger } from '../process/log.ts';
import { type App, UsageError } from '../process/program.ts';
import { type KafkaOptions, kafkaClient } from './client.ts';
import { checkRedrive, redriveShape } from './config.ts';
import { deadLetterTopic, redriveTopic } from './dead-letter.ts';
import { ensureTopics, type TopicOptions } from './topics.ts';

export { checkRedrive as check, redriveShape as shape };
/** Parked messages, on standard output: a line of JSON each. */
export const prints = true;

/** A parked message. */
export interface Letter {
  group: string;
  /** Its key: the ID of what it is about; absent where the message has none. */
  key?: string;
  /** Its number among the group's; it names one that has no event ID. */
  number: string;
  /** The event's ID; absent where the message has none. */
  event?: string;
  /** Where it was at first: "member.events/0@17". */
  from: string;
  reason: string;
  parkedAt: string;
}

interface Parked {
  letter: Letter;
  message: Message;
}

/** The operator's task: lists what the groups have parked, or gives a group what it has parked once more. */
export async function start({ config, log }: App<z.output<z.ZodObject<typeof redriveShape>>>): Promise<'done'> {
  const { MUSUBI_REDRIVE_GROUP: group, MUSUBI_REDRIVE_ACTION: action, MUSUBI_REDRIVE_EVENT: event } = config;
  const { MUSUBI_KAFKA_BROKERS: brokers, MUSUBI_KAFKA_REPLICATION: replication } = config;
  const kafka = kafkaClient({ brokers, clientId: 'redrive', log });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const groups = (await admin.listTopics()).flatMap((topic) => /^(.+)\.dead-letter$/.exec(topic)?.[1] ?? []).sort();
    if (group !== undefined && !groups.includes(group)) {
      throw new UsageError(`there is no group ${group} that parks messages; there are ${groups.join(', ') || 'none'}`);
    }
    const found: Letter[] = [];
    if (action === 'list') {
      for (const each of group === undefined ? groups : [group])
        found.push(...(await read(kafka, admin, each)).map(({ letter }) => letter));
    } else if (group !== undefined) {
      const discard = action === 'discard';
      found.push(...(await redrive({ kafka, admin, group, event, discard, replication, log })));
    }
    // A line of JSON each, without the messages themselves: they may be personal.
    for (const letter of found) process.stdout.write(`${JSON.stringify(letter)}\n`);
    if (found.length === 0) process.stderr.write(`redrive: nothing is parked${group === undefined ? '' : ` by ${group}`}\n`);
  } finally {
    await admin.disconnect();
  }
  return 'done';
}

export interface Redrive {
  kafka: Kafka;
  admin: Admin;
  group: string;
  /** A parked message's event ID or its number; default: all. */
  event?: string;
  /** Only those of these keys. */
  keys?: ReadonlySet<string>;
  /** Gives them up instead: they are forgotten. */
  discard?: boolean;
  replication?: number;
  log: Logger;
}

/**
 * Gives a group what it has parked once more: its members get it by the group's own topic, handled as if it came from
 * where it was, and what they still can't read they park again. Then it is not parked any more.
 *
 * To end in the midst of it costs a repeat, and so does running it twice at once: what is handled twice is as handled once.
 *
 * @returns which they were
 */
export async function redrive({ kafka, admin, group, event, keys, discard, replication, log }: Redrive): Promise<Letter[]> {
  const parked = await read(kafka, admin, group);
  const chosen = parked.filter(
    ({ letter }) =>
      (event === undefined || event === letter.event || event === letter.number) && (keys?.has(letter.key ?? '') ?? true),
  );
  const last = chosen.at(-1);
  if (!last) {
    if (event !== undefined)
      throw new UsageError(`${group} has parked no message ${event}; what it has, --list --group ${group} shows`);
    return [];
  }
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  try {
    // One by one: all of them might be more than the brokers take at once.
    const send = async (topic: string, which: Parked[]): Promise<void> => {
      for (const { message } of which) await producer.send({ topic, acks: -1, messages: [message] });
    };
    await ensureTopics(kafka, [redriveTopic(group)], { partitions: 1, replication });
    if (!discard) await send(redriveTopic(group), chosen);
    // A topic is deleted from its beginning on: those in between that were not chosen are parked again behind it.
    const spared = parked.slice(0, parked.indexOf(last)).filter((one) => !chosen.includes(one));
    await send(deadLetterTopic(group), spared);
    const offset = String(BigInt(last.letter.number) + 1n);
    await admin.deleteTopicRecords({ topic: deadLetterTopic(group), partitions: [{ partition: 0, offset }] });
  } finally {
    await producer.disconnect();
  }
  return chosen.map(({ letter }) => {
    log.info({ ...letter, action: discard ? 'discarded' : 'redriven' }, 'dead letter');
    return letter;
  });
}

/**
 * Forgets what groups have parked of some keys, and all that they were given once more and have handled.
 *
 * @param prefix the groups whose names begin so
 * @returns the key of each message that was parked
 */
export async function forgetParked(
  { replication, ...options }: KafkaOptions & Pick<TopicOptions, 'replication'>,
  prefix: string,
  keys: readonly string[],
): Promise<string[]> {
  const { log } = options;
  const kafka = kafkaClient(options);
  const admin = kafka.admin();
  await admin.connect();
  try {
    const topics = await admin.listTopics();
    const groups = topics
      .flatMap((topic) => /^(.+)\.dead-letter$/.exec(topic)?.[1] ?? [])
      .filter((name) => name.startsWith(prefix));
    const forgotten: string[] = [];
    for (const group of groups) {
      const which = { group, keys: new Set(keys), discard: true, ...(replication ? { replication } : {}) };
      forgotten.push(...(await redrive({ kafka, admin, log, ...which })).flatMap(({ key = [] }) => key));
      if (topics.includes(redriveTopic(group))) await forgetHandled(admin, group);
    }
    return forgotten;
  } finally {
    await admin.disconnect();
  }
}

async function forgetHandled(admin: Admin, group: string): Promise<void> {
  const topic = redriveTopic(group);
  const [{ low } = { low: '0' }] = await admin.fetchTopicOffsets(topic);
  const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  const { offset } = committed?.partitions.find(({ partition }) => partition === 0) ?? { offset: '-1' };
  if (BigInt(offset) > BigInt(low)) await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
}

/** All that is in the group's topic now. Its one partition is read by a group that exists for this only. */
async function read(kafka: Kafka, admin: Admin, group: string): Promise<Parked[]> {
  const topic = deadLetterTopic(group);
  const [{ low, high } = { low: '0', high: '0' }] = await admin.fetchTopicOffsets(topic);
  if (low === high) return [];
  const groupId = `${group}.redrive-reader.${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 500 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    const found: Parked[] = [];
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      consumer
        .run({
          eachMessage: async ({ message: { offset, key, value, headers = {} } }) => {
            if (BigInt(offset) >= BigInt(high)) return;
            const text = (name: string): string | undefined => headers[name]?.toString();
            const letter = {
              group,
              number: offset,
              ...(key ? { key: String(key) } : {}),
              ...(headers.ce_id ? { event: text('ce_id') } : {}),
              from: `${text('dlq_topic')}/${text('dlq_partition')}@${text('dlq_offset')}`,
              reason: text('dlq_reason') ?? '',
              parkedAt: text('dlq_time') ?? '',
            };
            found.push({ letter, message: { key, value, headers } });
            if (BigInt(offset) === BigInt(high) - 1n) resolve();
          },
        })
        .catch(reject);
    });
    return found;
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]).catch(() => undefined);
  }
}

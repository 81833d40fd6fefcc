import type { Client as TemporalClient } from '@temporalio/client';
import type { Kafka, KafkaMessage } from 'kafkajs';
import pg from 'pg';
import { kafkaClient } from '#platform/kafka/client.ts';
import { createLogger } from '#platform/process/log.ts';
import { address, unique } from './client.ts';

// What the stores, Temporal and Kafka say, to hold it against what clients were told.

export type Row = Record<string, unknown>;

/** Where one of the services' databases is. */
export function databaseUrl(database: string): string {
  const url = new URL(address('MUSUBI_POSTGRES_URL'));
  url.pathname = `/${database}`;
  return url.href;
}

/** What a query finds in one of the services' databases. */
export async function rows(database: string, query: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl(database) });
  await client.connect();
  try {
    return (await client.query<Row>(query)).rows;
  } finally {
    await client.end();
  }
}

/** The version that Member has of each. */
export async function versions(memberIds: string[]): Promise<Map<string, number>> {
  const members = await rows('musubi_member', 'select member_id, version from members');
  const wanted = new Set(memberIds);
  return new Map(
    members
      .filter(({ member_id }) => wanted.has(String(member_id)))
      .map(({ member_id, version }) => [String(member_id), Number(version)]),
  );
}

/** A workflow's history as text, with what its payloads hold. */
export async function historyText(temporal: TemporalClient, workflowId: string): Promise<string> {
  const history = await temporal.workflow.getHandle(workflowId).fetchHistory();
  return JSON.stringify(history, (key, value: unknown) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value,
  );
}

/** The references to staged passwords in a history: there they belong, and nowhere else. */
export function passwordReferences(history: string): string[] {
  return [...new Set([...history.matchAll(/passwordRef\W+([\w-]{20,})/g)].map(([, reference = '']) => reference))];
}

function evidenceClient(): Kafka {
  const brokers = address('MUSUBI_KAFKA_BROKERS').split(',');
  return kafkaClient({ brokers, clientId: 'evidence', retries: 10, log: createLogger('evidence', 'silent') });
}

/** Reads topics from their beginnings to their present ends, each partition in its order. */
export async function readTopics(topics: readonly string[], each: (topic: string, message: KafkaMessage) => void): Promise<void> {
  const kafka = evidenceClient();
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map<string, bigint>();
  for (const topic of topics) {
    for (const { partition, high } of await admin.fetchTopicOffsets(topic)) {
      if (BigInt(high) > 0n) ends.set(`${topic} ${partition}`, BigInt(high));
    }
  }
  const groupId = unique('evidence');
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    if (ends.size === 0) resolve();
    setTimeout(() => reject(new Error(`not read to their ends: ${[...ends.keys()]}`)), 60_000).unref();
    consumer
      .run({
        eachBatch: async ({ batch }) => {
          for (const message of batch.messages) each(batch.topic, message);
          const partition = `${batch.topic} ${batch.partition}`;
          if (BigInt(batch.lastOffset()) + 1n >= (ends.get(partition) ?? 0n)) ends.delete(partition);
          if (ends.size === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  await admin.deleteGroups([groupId]).catch(() => undefined);
  await admin.disconnect();
}

/** The versions of each member in the order in which Kafka has them; repeats included. */
export async function versionsInKafka(memberIds: string[]): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>(memberIds.map((id) => [id, []]));
  await readTopics(['member.events'], (_, { key, value }) => {
    found.get(String(key))?.push(Number((JSON.parse(String(value)) as { version: number }).version));
  });
  return found;
}

/** What consumers could not handle and parked, of every group: topic, offset and reason. */
export async function parked(): Promise<string[]> {
  const admin = evidenceClient().admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((name) => name.endsWith('.dead-letter'));
  await admin.disconnect();
  const found: string[] = [];
  await readTopics(topics, (topic, { offset, headers }) => {
    found.push(
      `${topic} ${offset}: ${JSON.stringify(headers, (_, value) => (value?.type === 'Buffer' ? Buffer.from(value.data).toString() : value))}`,
    );
  });
  return found;
}

/** Nothing lost: every version up to the newest is there. Nothing reordered: each comes first after the one before. */
export function order(
  events: Map<string, number[]>,
  newest: Map<string, number>,
): { lostEvents: string[]; reorderedEvents: string[] } {
  const lostEvents: string[] = [];
  const reorderedEvents: string[] = [];
  for (const [memberId, version] of newest) {
    const firsts = [...new Set(events.get(memberId) ?? [])];
    for (let v = 1; v <= version; v++) if (!firsts.includes(v)) lostEvents.push(`${memberId} version ${v}`);
    firsts.forEach((v, i) => {
      if (i > 0 && v < (firsts[i - 1] ?? 0)) reorderedEvents.push(`${memberId} version ${v} after ${firsts[i - 1]}`);
    });
  }
  return { lostEvents, reorderedEvents };
}

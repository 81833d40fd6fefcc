import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { address, unique } from './client.ts';

// What the stores and Kafka say, to hold it against what clients were told.

export type Row = Record<string, unknown>;

/** What a query finds in one of the services' databases. */
export async function rows(database: string, query: string): Promise<Row[]> {
  const url = new URL(address('MUSUBI_POSTGRES_URL'));
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
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

/** The versions of each member in the order in which Kafka has them; repeats included. */
export async function versionsInKafka(memberIds: string[]): Promise<Map<string, number[]>> {
  const wanted = new Set(memberIds);
  const found = new Map<string, number[]>(memberIds.map((id) => [id, []]));
  const kafka = new Kafka({ brokers: address('MUSUBI_KAFKA_BROKERS').split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const ends = new Map((await admin.fetchTopicOffsets('member.events')).map(({ partition, high }) => [partition, BigInt(high)]));
  await admin.disconnect();
  const groupId = unique('verify');
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics: ['member.events'], fromBeginning: true });
  const open = new Set([...ends].filter(([, end]) => end > 0n).map(([partition]) => partition));
  await new Promise<void>((resolve, reject) => {
    if (open.size === 0) resolve();
    setTimeout(() => reject(new Error(`partitions ${[...open]} were not read to their ends`)), 60_000).unref();
    consumer
      .run({
        eachBatch: async ({ batch }) => {
          for (const { key, value } of batch.messages) {
            const id = String(key);
            if (wanted.has(id)) found.get(id)?.push(Number((JSON.parse(String(value)) as { version: number }).version));
          }
          if (BigInt(batch.lastOffset()) + 1n >= (ends.get(batch.partition) ?? 0n)) open.delete(batch.partition);
          if (open.size === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
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

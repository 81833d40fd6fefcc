import test from 'ava';
import { kafkaClient } from '#platform/kafka/client.ts';
import { topicOf } from '#platform/outbox/event.ts';
import { sql } from '#platform/postgres/database.ts';
import { servers, testProcess } from '#platform/test-servers.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { arrived, faults, KINDS, type Kind, type Outboxes, outboxes, type RelayProcess, startRelay } from './relay.fixture.ts';

// What is more than the brokers take, at once or in one event.

/** Waits until all versions of `key` have arrived, in order. */
const inOrder = (boxes: Outboxes, kind: Kind, last: number, relay: RelayProcess): Promise<void> =>
  until(() => {
    const events = boxes.received[kind].filter(({ subject }) => subject === 'key');
    return faults(events, new Map([['key', last]])).length === 0;
  }, `${kind} arrives`).catch((error: unknown) => {
    throw new Error(`${error}\n${relay.output()}`);
  });

/** Says how large a batch of each of the outboxes' topics may be. */
async function limitTopics(boxes: Outboxes, bytes: number): Promise<void> {
  const { log } = testProcess('limit');
  const admin = kafkaClient({ brokers: servers.kafka(), clientId: 'limit', log }).admin();
  await admin.connect();
  const topics = KINDS.map((kind) => topicOf(`${boxes.name}_${kind}`));
  await admin.alterConfigs({
    validateOnly: false,
    resources: topics.map((name) => ({
      type: 2, // a topic
      name,
      configEntries: [
        { name: 'max.message.bytes', value: String(bytes) },
        { name: 'cleanup.policy', value: 'compact' },
      ],
    })),
  });
  await admin.disconnect();
}

test.serial('more than the brokers take at once is sent in parts, in order', async (t) => {
  const boxes = await outboxes(t);
  // All of one key, so of one partition: 3 MB, where 1 MiB is taken.
  for (const kind of KINDS) for (let version = 1; version <= 60; version++) await boxes.write(kind, 'key', version, 50_000);
  const relay = await startRelay(Object.values(boxes.sources));
  for (const kind of KINDS) await inOrder(boxes, kind, 60, relay);
  await relay.isHealthy();
  t.pass();
});

test.serial('more than a topic takes at once is sent in parts, and an event that it never takes holds up no other', async (t) => {
  const boxes = await outboxes(t);
  await boxes.subscribed();
  await limitTopics(boxes, 30_000);
  for (const kind of KINDS) {
    for (let version = 1; version <= 40; version++) await boxes.write(kind, 'key', version, 2_000);
    await boxes.write(kind, 'large', 1, 60_000);
    for (let version = 41; version <= 80; version++) await boxes.write(kind, 'key', version, 2_000);
    await boxes.write(kind, 'large', 2, 10);
  }
  const relay = await startRelay(Object.values(boxes.sources));
  for (const kind of KINDS) {
    const source = boxes.sources[kind][0] ?? '';
    await inOrder(boxes, kind, 80, relay);
    await until(() => arrived(boxes, kind, 'large', 2), 'the next of its key');
    await relay.says(source, /^1 of its events can not be sent: \S+: it is larger than the brokers take/);
    await until(async () => (await boxes.unsent(kind)) === 1, 'the others have left');
    // While it is there the others go on.
    await boxes.write(kind, 'key', 81, 2_000);
    await until(() => arrived(boxes, kind, 'key', 81), 'the next arrives');
  }
  const [row] = await boxes.db.query<{ id: string }>(sql`select id from outbox`);
  t.true(relay.output().includes(`${row?.id}: it is larger`), 'the log says which');
  // It is sent, with nobody's doing, once it is taken.
  await limitTopics(boxes, 1_000_000);
  for (const kind of KINDS) {
    await until(() => arrived(boxes, kind, 'large', 1), `${kind} arrives after all`).catch((error: unknown) =>
      t.fail(`${error}\n${relay.output()}`),
    );
  }
  await relay.isHealthy();
  await until(async () => (await Promise.all(KINDS.map(boxes.unsent))).every((count) => count === 0), 'the outboxes are empty');
});

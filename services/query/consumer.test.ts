import { randomUUID } from 'node:crypto';
import test from 'ava';
import { Partitioners, type Producer } from 'kafkajs';
import { kafkaClient } from '#platform/kafka/client.ts';
import { type EventMessage, toWire } from '#platform/kafka/event-message.ts';
import { subscribe } from '#platform/kafka/subscribe.ts';
import { ensureTopics } from '#platform/kafka/topics.ts';
import type { Database } from '#platform/postgres/database.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { until } from '#platform/until.fixture.ts';
import { fromEnvironment, type Scratch, scratchDatabase } from '../../test/scratch-database.ts';
import { eventMessage, memberEvent, memberRolesEvent } from './events.fixture.ts';
import { listen } from './notifications.ts';
import { project, startProjector } from './projector.ts';
import { shownMember } from './seen.fixture.ts';
import { generationOf, openStore } from './store.ts';
import { Visibility } from './visibility.ts';

/** Whole query processes, as far as they consume, on the real Kafka. */
interface Process {
  db: Database;
  visibility: Visibility;
  lifecycle: Lifecycle;
}

const brokers = fromEnvironment('MUSUBI_KAFKA_BROKERS').split(',');
const scratch = scratchDatabase('consumer');
const again = scratchDatabase('consumer_again');
const kafka = kafkaClient({ brokers, clientId: 'query-test', log: scratch.log });
const groups: string[] = [];
const published = new Set<string>();
let producer: Producer;

async function start({ url, database, log }: Scratch): Promise<Process> {
  const lifecycle = new Lifecycle(log, 10_000);
  const db = await openStore({ url, database, log, lifecycle });
  const visibility = new Visibility(db);
  await listen({
    url,
    database,
    log,
    lifecycle,
    onVisible: (versions) => visibility.announce(versions),
    onListening: () => visibility.recheck(),
  });
  await startProjector({ db, visibility, brokers, log, lifecycle });
  groups.push(`query.${(await generationOf(db)).slice(0, 8)}`);
  lifecycle.markStarted();
  await until(async () => Object.keys(await lifecycle.degraded()).length === 0);
  return { db, visibility, lifecycle };
}

async function publish(...events: EventMessage[]): Promise<void> {
  for (const { topic, subject, id, type, version, data, time } of events) {
    if (topic === 'member.events') published.add(subject);
    const record = {
      id,
      aggregateType: topic.replace('.events', ''),
      aggregateId: subject,
      version,
      type,
      payload: data,
      traceparent: '',
      time,
    };
    await producer.send({ topic, acks: -1, messages: [toWire(record, 'test', '')] });
  }
}

/** Waits for up to a minute: while a process joins or leaves the group, nobody consumes for some seconds. */
async function visible({ visibility }: Process, id: string, version: number, type = 'member'): Promise<void> {
  await visibility.wait([{ type, id, version }], 60_000, new AbortController().signal);
}

let one: Process;
let two: Process;
test.before(async () => {
  await ensureTopics(kafka, ['member.events', 'member-roles.events']);
  producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  [one, two] = await Promise.all([start(scratch), start(scratch)]);
});
test.after.always(async () => {
  // Other tests use the same topics: what was invented here goes again.
  for (const id of published) await publish(memberEvent(id, 1_000, undefined));
  await producer?.disconnect();
  await Promise.all([one, two].map((process) => process?.lifecycle.stop('the test is done')));
  await Promise.all([scratch.drop(), again.drop()]);
  const admin = kafka.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) =>
    groups.some((group) => ['events', 'dead-letter', 'redrive'].some((kind) => topic === `${group}.${kind}`)),
  );
  if (topics.length > 0) await admin.deleteTopics({ topics });
  await admin.deleteGroups([...new Set(groups)]).catch(() => undefined);
  await admin.disconnect();
});

test.serial('two processes share the work, and either knows what is visible', async (t) => {
  t.is(new Set(groups).size, 1, 'processes over one read model are one group');
  const ids = Array.from({ length: 30 }, () => randomUUID());
  const waits = ids.flatMap((id) => [one, two].map((process) => visible(process, id, 2)));
  await publish(
    ...ids.flatMap((id) => [
      memberEvent(id, 1, { status: 'PENDING' }),
      memberEvent(id, 2, {}),
      memberRolesEvent(id, 1, ['member']),
    ]),
  );
  await t.notThrowsAsync(Promise.all(waits));
  for (const id of ids) await visible(two, id, 1, 'member-roles');
  t.deepEqual((await shownMember(two.db, ids[0] ?? ''))?.roleIds, ['member']);
});

test.serial('an event that can not be read is parked with its reason, and those behind it go on', async (t) => {
  // On a topic of its own: whoever else follows the real one would have to park it too.
  const group = `query-test-${randomUUID()}`;
  const topic = `${group}.events`;
  groups.push(group, `${group}.reader`);
  const id = randomUUID();
  const nonsense = { memberId: id, version: 2, member: { memberId: id, status: 'NONSENSE' } };
  const events = [memberEvent(id, 1, {}), eventMessage('member', 'updated', id, 2, nonsense), memberEvent(id, 3, {})];
  await ensureTopics(kafka, [topic]);
  await publish(...events.map((event) => ({ ...event, topic })));
  const lifecycle = new Lifecycle(scratch.log, 10_000);
  const handle = async (received: EventMessage[]): Promise<void> => {
    await project(
      one.db,
      received.map((event) => ({ ...event, topic: 'member.events' })),
    );
  };
  subscribe({ brokers, group, handlers: { [topic]: handle }, log: scratch.log, lifecycle });
  await t.notThrowsAsync(visible(one, id, 3));
  const letter = await firstLetter(`${group}.dead-letter`, `${group}.reader`);
  await lifecycle.stop('the test is done');
  t.like(letter, { ce_subject: id, dlq_topic: topic });
  t.regex(letter.dlq_reason ?? '', /not as agreed: member\.createdAt/);
});

test.serial('an event of a newer writer is shown, with a status and fields that nobody here knows', async (t) => {
  const id = randomUUID();
  const event = memberEvent(id, 1, {});
  const { member, ...rest } = event.data as { member: object };
  const newer = { ...rest, member: { ...member, status: 'MEMBER_STATUS_ARCHIVED', pronouns: 'they' }, reason: { code: 7 } };
  await publish({ ...event, data: newer }, memberRolesEvent(id, 1, ['member', 'of a newer release']));
  await t.notThrowsAsync(Promise.all([visible(one, id, 1), visible(one, id, 1, 'member-roles')]));
  t.like(await shownMember(one.db, id), { status: 'ARCHIVED', roleIds: ['member', 'of a newer release'] });
  const admin = kafka.admin();
  await admin.connect();
  const parked = (await admin.listTopics()).includes(`${groups[0]}.dead-letter`)
    ? await admin.fetchTopicOffsets(`${groups[0]}.dead-letter`)
    : [];
  await admin.disconnect();
  t.true(parked.every(({ high }) => high === '0'));
});

async function firstLetter(topic: string, groupId: string): Promise<Record<string, string>> {
  const reader = kafka.consumer({ groupId, maxWaitTimeInMs: 200 });
  await reader.connect();
  await reader.subscribe({ topic, fromBeginning: true });
  const headers = await new Promise<Record<string, string>>((resolve) => {
    void reader.run({
      eachMessage: async ({ message }) =>
        resolve(Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]))),
    });
  });
  await reader.disconnect();
  return headers;
}

test.serial('a process that dies leaves nothing undone', async (t) => {
  const id = randomUUID();
  await publish(memberEvent(id, 1, {}));
  await two.lifecycle.stop('as if it had died');
  await publish(memberEvent(id, 2, {}));
  await t.notThrowsAsync(visible(one, id, 2));
});

test.serial('a read model that was made anew is built from the first event on', async (t) => {
  const id = randomUUID();
  await publish(memberEvent(id, 1, {}), memberRolesEvent(id, 1, ['member']), memberEvent(id, 2, {}));
  await Promise.all([visible(one, id, 2), visible(one, id, 1, 'member-roles')]);
  const anew = await start(again);
  try {
    await t.notThrowsAsync(Promise.all([visible(anew, id, 2), visible(anew, id, 1, 'member-roles')]));
    t.deepEqual(await shownMember(anew.db, id), await shownMember(one.db, id));
  } finally {
    await anew.lifecycle.stop('the test is done');
  }
});

test.serial('an event is visible within milliseconds of being published', async (t) => {
  const delays: number[] = [];
  for (let round = 0; round < 40; round++) {
    const id = randomUUID();
    const waiting = visible(one, id, 1);
    await publish(memberEvent(id, 1, {}));
    const sent = performance.now();
    await waiting;
    delays.push(performance.now() - sent);
  }
  delays.sort((a, b) => a - b);
  t.log(`visible ${delays[20]?.toFixed(1)} ms after the broker had it (p50), at most ${delays.at(-1)?.toFixed(1)} ms`);
  t.true((delays[20] ?? Number.NaN) < 500, 'one fetch that waits for its time limit takes longer');
});

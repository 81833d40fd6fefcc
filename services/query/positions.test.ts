import { randomUUID } from 'node:crypto';
import test from 'ava';
import { kafkaClient } from '#platform/kafka/client.ts';
import { LogEnds } from '#platform/kafka/readiness.ts';
import { ensureTopics } from '#platform/kafka/topics.ts';
import type { Database } from '#platform/postgres/database.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { fromEnvironment, scratchDatabase } from '../../test/scratch-database.ts';
import { memberEvent } from './events.fixture.ts';
import { followTopics, settleTopic } from './positions.ts';
import { project } from './projector.ts';
import { openStore } from './store.ts';

const scratch = scratchDatabase('positions');
const brokers = fromEnvironment('MUSUBI_KAFKA_BROKERS').split(',');
const topic = 'member.events';
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
  await ensureTopics(kafkaClient({ brokers, clientId: 'positions', log: scratch.log }), [topic]);
});
test.after.always(() => scratch.drop());
test.afterEach(() => settleTopic(db, topic));

/** An event where the log has it; partitions beyond those that the topic has are compared with none. */
const at = (offset: number, partition = 900) => ({ ...memberEvent(randomUUID(), 1, {}), partition, offset: String(offset) });

/** What a process that begins now says. */
async function said(through: Database = db): Promise<string | undefined> {
  const lifecycle = new Lifecycle(scratch.log, 5_000);
  followTopics({ db: through, brokers, log: scratch.log, lifecycle });
  const { topics } = await lifecycle.attention();
  await lifecycle.stop('asked');
  return topics;
}

test.serial('events that go on, come again and are passed over by compaction say nothing', async (t) => {
  const [first, second, third] = [at(3), at(4), at(9)];
  await project(db, [first, second]);
  await project(db, [first, second]);
  await project(db, [second, third]);
  await project(db, [at(9, 901), first]);
  t.is(await said(), undefined);
});

test.serial('another event where the last one was: the topic was made again, until its states are told again', async (t) => {
  await project(db, [at(3), at(4)]);
  await project(db, [at(3)]);
  t.is(await said(), undefined, 'that may be a repeat');
  await project(db, [at(2), at(4), at(5)]);
  t.regex((await said()) ?? '', /member\.events was made again .* node main\.ts retell/);
  await project(db, [at(6)]);
  t.regex((await said()) ?? '', /was made again/);
  await settleTopic(db, topic);
  await project(db, [at(4)]);
  t.is(await said(), undefined);
});

test.serial('a log that is shorter than what was read of it was made again', async (t) => {
  await project(db, [at(1_000_000_000, 0)]);
  t.regex((await said()) ?? '', /member\.events was made again/);
});

test.serial('what is read while the brokers are asked where the log ends is compared the next time', async (t) => {
  const logs = new LogEnds({ brokers, clientId: 'positions', log: scratch.log });
  t.teardown(() => logs.close());
  const end = Number((await logs.of([topic])).find(({ partition }) => partition === 0)?.high);
  await project(db, [at(end - 1, 0)]);
  // They have answered, and many events are read before their answer is looked at.
  const query: Database['query'] = async (query) => {
    if (query.text.includes('update read_positions')) await project(db, [at(end + 1_000_000_000, 0)]);
    return await db.query(query);
  };
  t.is(await said({ query } as Database), undefined);
});

test.serial('so was one that ends where the last event was', async (t) => {
  const logs = new LogEnds({ brokers, clientId: 'positions', log: scratch.log });
  t.teardown(() => logs.close());
  const end = async () => Number((await logs.of([topic])).find(({ partition }) => partition === 0)?.high);
  // Other tests write to the topic: what was said counts only if none of them did meanwhile.
  let [before, after, atEnd]: [number, number, string | undefined] = [0, -1, undefined];
  while (before !== after) {
    before = await end();
    await settleTopic(db, topic);
    await project(db, [at(before, 0)]);
    atEnd = await said();
    after = await end();
  }
  t.regex(atEnd ?? '', /member\.events was made again/);
  await settleTopic(db, topic);
  await project(db, [at(before - 1, 0)]);
  t.is(await said(), undefined, 'the last event of the log is the one that was read');
});

import test from 'ava';
import { triedCases } from '#platform/cases.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { arrived, type Outboxes, outboxes, type RelayProcess, startRelay } from './relay.fixture.ts';

// What happens to the collection and the change stream that the relay reads.

const published = (boxes: Outboxes, key: string, relay: RelayProcess): Promise<void> =>
  until(() => arrived(boxes, 'mongodb', key), `${key} arrives`).catch((error: unknown) => {
    throw new Error(`${error}\n${relay.output()}`);
  });

const LOST: Record<string, (boxes: Outboxes) => Promise<unknown>> = {
  dropped: ({ mongo }) => mongo.db.collection('outbox').drop(),
  'renamed away': ({ mongo }) => mongo.db.collection('outbox').rename('elsewhere'),
  'replaced by another': async ({ mongo }) => {
    await mongo.db.createCollection('another');
    await mongo.db.collection('another').rename('outbox', { dropTarget: true });
  },
  'dropped with its database': ({ mongo }) => mongo.db.dropDatabase(),
};

for (const [how, lose] of triedCases(LOST, ['dropped', 'renamed away'])) {
  test.serial(`an outbox that is ${how} under the relay is relayed when it is there again`, async (t) => {
    const boxes = await outboxes(t);
    const relay = await startRelay([boxes.sources.mongodb]);
    await boxes.write('mongodb', 'before', 1);
    await published(boxes, 'before', relay);
    await lose(boxes);
    await boxes.write('mongodb', 'one', 1);
    await published(boxes, 'one', relay);
    await boxes.write('mongodb', 'two', 1);
    await published(boxes, 'two', relay);
    await relay.isHealthy();
    t.pass();
  });

  test.serial(`an outbox that is ${how} while no relay runs is relayed by the next`, async (t) => {
    const boxes = await outboxes(t);
    const first = await startRelay([boxes.sources.mongodb]);
    await boxes.write('mongodb', 'before', 1);
    await published(boxes, 'before', first);
    await first.kill('SIGKILL');
    await lose(boxes);
    await boxes.write('mongodb', 'one', 1);
    const second = await startRelay([boxes.sources.mongodb]);
    await published(boxes, 'one', second);
    await second.isHealthy();
    t.pass();
  });
}

test.serial('what an older relay has left as its position, of another cluster or another time, keeps nothing back', async (t) => {
  const boxes = await outboxes(t);
  await boxes.write('mongodb', 'one', 1);
  const position = { token: { _data: '8200000001000000012B0229296E04' }, through: new Date(Date.now() + 86_400_000) };
  await boxes.mongo.db.collection<{ _id: string }>('outbox_relay').insertOne({ _id: 'relay', ...position });
  const relay = await startRelay([boxes.sources.mongodb]);
  await published(boxes, 'one', relay);
  t.pass();
});

test.serial('what is no event holds up no other, stays, and is sent once it is mended', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.mongodb]);
  await boxes.write('mongodb', 'one', 1);
  await published(boxes, 'one', relay);
  const outbox = boxes.mongo.db.collection<{ _id: string }>('outbox');
  await outbox.insertOne({
    _id: 'mine',
    aggregatetype: `${boxes.name}_mongodb`,
    aggregateid: 'mended',
    type: 'written',
    payload: 'hush!',
    version: 1,
    traceparent: '',
    createdAt: new Date(),
  } as { _id: string });
  await boxes.write('mongodb', 'two', 1);
  await published(boxes, 'two', relay);
  await relay.says('m', /1 of its events can not be sent: mine: it is not an event: payload: not JSON/);
  await until(async () => (await boxes.unsent('mongodb')) === 1, 'the others have left');
  t.notRegex(relay.output(), /hush/);
  await outbox.updateOne({ _id: 'mine' }, { $set: { payload: '{}' } });
  await published(boxes, 'mended', relay);
  await relay.isHealthy();
  await until(async () => (await boxes.unsent('mongodb')) === 0, 'the outbox is empty');
});

test.serial('what waits for a relay is sent in the order of its versions, whichever was written first', async (t) => {
  const boxes = await outboxes(t);
  for (const version of [3, 1, 2]) await boxes.write('mongodb', 'one', version);
  const relay = await startRelay([boxes.sources.mongodb]);
  await boxes.write('mongodb', 'last', 1);
  await published(boxes, 'last', relay);
  const versions = boxes.received.mongodb.filter(({ subject }) => subject === 'one').map(({ version }) => version);
  t.deepEqual(versions, [1, 2, 3]);
});

test.serial('one that the change stream does not tell of is found', async (t) => {
  const boxes = await outboxes(t);
  const outbox = boxes.mongo.db.collection<{ _id: string }>('outbox');
  const relay = await startRelay([boxes.sources.mongodb]);
  await relay.isHealthy();
  // It becomes an event by an update: no insertion tells of it.
  await outbox.insertOne({ _id: 'found' });
  await boxes.write('mongodb', 'one', 1);
  await published(boxes, 'one', relay);
  const event = {
    aggregatetype: `${boxes.name}_mongodb`,
    aggregateid: 'found',
    type: 'written',
    payload: '{}',
    version: 1,
    traceparent: '',
    createdAt: new Date(),
  };
  await outbox.updateOne({ _id: 'found' }, { $set: event });
  await published(boxes, 'found', relay);
  t.pass();
});

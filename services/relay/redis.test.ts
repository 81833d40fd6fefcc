import { randomUUID } from 'node:crypto';
import test from 'ava';
import { outboxStream } from '#platform/outbox/redis-outbox.ts';
import { until } from '#platform/until.fixture.ts';
import { arrived, type Outboxes, outboxes, type RelayProcess, startRelay } from './relay.fixture.ts';

// What happens to the stream that the relay reads.

const published = (boxes: Outboxes, key: string, relay: RelayProcess): Promise<void> =>
  until(() => arrived(boxes, 'redis', key), `${key} arrives`).catch((error: unknown) => {
    throw new Error(`${error}\n${relay.output()}`);
  });

/** Adds an entry with an ID of one's own. */
const add = (boxes: Outboxes, entry: string, aggregateid: string, more: Record<string, string> = {}): Promise<unknown> => {
  const aggregatetype = `${boxes.name}_redis`;
  const fields = {
    id: randomUUID(),
    aggregatetype,
    aggregateid,
    version: '1',
    type: 'written',
    payload: '{}',
    time: '1',
    ...more,
  };
  return boxes.redis.xadd(outboxStream(boxes.name), entry, ...Object.entries(fields).flat());
};

test.serial('a stream that is deleted under the relay, and goes on with lower IDs, is relayed', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.redis]);
  await boxes.write('redis', 'before', 1);
  await published(boxes, 'before', relay);
  await boxes.redis.del(outboxStream(boxes.name));
  // As a server does that came back without its data and with a clock that is behind.
  await add(boxes, '1-1', 'one');
  await published(boxes, 'one', relay);
  await add(boxes, '1-2', 'two');
  await published(boxes, 'two', relay);
  await relay.isHealthy();
  await until(async () => (await boxes.unsent('redis')) === 0, 'the stream is empty');
  t.pass();
});

test.serial('a key that is no stream is told of, and waited for', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.redis]);
  await relay.isHealthy();
  await boxes.redis.set(outboxStream(boxes.name), 'not a stream');
  await relay.says('r', /can not be read/);
  await boxes.redis.del(outboxStream(boxes.name));
  await boxes.write('redis', 'one', 1);
  await published(boxes, 'one', relay);
  await relay.isHealthy();
  t.pass();
});

test.serial('what is no event holds up no other, stays, and is sent no more once somebody has removed it', async (t) => {
  const boxes = await outboxes(t);
  const relay = await startRelay([boxes.sources.redis]);
  await boxes.write('redis', 'one', 1);
  await published(boxes, 'one', relay);
  await add(boxes, '*', 'no version', { version: 'none', payload: '"hush"' });
  await boxes.write('redis', 'two', 1);
  await published(boxes, 'two', relay);
  await relay.says('r', /1 of its events can not be sent: outbox:\S+\/[\d-]+: it is not an event: version/);
  t.is(await boxes.unsent('redis'), 1);
  t.notRegex(relay.output(), /hush/);
  await boxes.redis.del(outboxStream(boxes.name));
  await relay.isHealthy();
});

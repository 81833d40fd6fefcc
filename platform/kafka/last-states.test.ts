import test from 'ava';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { publish, record, removeTopics } from './kafka.fixture.ts';
import { lastStates } from './last-states.ts';

test('the last value of each key is read, of all partitions to their present end, as often as one likes; a topic that is missing has none', async (t) => {
  const type = uniqueName('test-keys');
  const topic = `${type}.events`;
  t.teardown(() => removeTopics([topic]));
  const options = { brokers: servers.kafka(), clientId: 'test', log: testProcess('test-keys').log, partitions: 3 };
  t.deepEqual(await lastStates(options, topic), new Map());
  const keys = Array.from({ length: 1_000 }, (_, at) => `key-${at}`);
  await publish(keys.flatMap((key) => [record(type, key, 1), record(type, key, 2)]));
  t.deepEqual(
    Object.fromEntries(await lastStates(options, topic)),
    Object.fromEntries(keys.map((key) => [key, '{"version":2}'])),
  );
  await publish([record(type, 'one more', 1), { ...record(type, 'key-7', 3), payload: null }]);
  t.is((await lastStates(options, topic)).size, keys.length);
});

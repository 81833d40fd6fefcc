import test from 'ava';
import kafkajs from 'kafkajs'; // it exports this enum to CommonJS only
import { client } from '../kafka/kafka.fixture.ts';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { newId } from '../validation/id.ts';
import { type StoredEvent, topicOf } from './event.ts';
import { relay } from './relay.ts';
import type { RelayContext } from './source.ts';
import { OVERDUE_MS } from './waiting.ts';

/** A relay of a source that does what the test says, and what /healthz says of it. */
async function begin(keptDays: Record<string, number> = {}) {
  const { log, lifecycle } = testProcess('test-relay');
  const begun = Promise.withResolvers<RelayContext>();
  const source = {
    name: uniqueName('source'),
    run: (context: RelayContext) => {
      begun.resolve(context);
      return new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
    },
  };
  relay(source, { brokers: servers.kafka(), keptDays, log, lifecycle });
  const says = async () => (await lifecycle.degraded())[`outbox of ${source.name}`];
  return { context: await begun.promise, says, stop: () => lifecycle.stop('tested') };
}

const event = (aggregatetype: string): StoredEvent => ({
  key: '1',
  id: newId(),
  aggregatetype,
  aggregateid: 'a',
  version: 1,
  type: 'tested',
  payload: {},
  traceparent: '',
  time: new Date(),
});

test.serial('what waited while another led says nothing of the one that leads then', async (t) => {
  const real = performance.now.bind(performance);
  let ahead = 0;
  performance.now = () => real() + ahead;
  t.teardown(() => {
    performance.now = real;
  });
  const { context, says, stop } = await begin();
  t.regex((await says()) ?? '', /can not be read/);
  context.standBy();
  t.is(await says(), undefined);
  context.waits('a');
  ahead += OVERDUE_MS;
  t.true(context.waits('a'));
  t.regex((await says()) ?? '', /the relay that leads does not send them/);
  await context.lead();
  t.is(await says(), undefined, 'it has just begun');
  t.false(context.waits('a'));
  ahead += OVERDUE_MS;
  t.true(context.waits('a'));
  t.regex((await says()) ?? '', /Kafka has not taken them/);
  await stop();
});

test.serial('a topic that the relay makes keeps its events for as long as it is told', async (t) => {
  const type = uniqueName('test-relay');
  const topic = topicOf(type);
  const { context, stop } = await begin({ [topic]: 3 });
  await context.lead();
  t.deepEqual(await context.publish([event(type)]), ['1']);
  await stop();
  const admin = client().admin();
  await admin.connect();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }],
  });
  t.is(resources[0]?.configEntries[0]?.configValue, String(3 * 86_400_000));
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
});

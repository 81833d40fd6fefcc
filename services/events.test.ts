import test from 'ava';
import { topicOf } from '#platform/outbox/event.ts';
import { SERVICES } from './catalogue.ts';
import { PROJECTIONS } from './query/projections/registry.ts';
import { READERS, topicHandlers } from './websocket/readers.ts';

/** Each type of event with its readers, as the catalogue says. */
const EVENTS = Object.entries(SERVICES).flatMap(([service, entry]) =>
  Object.entries<readonly string[]>('events' in entry ? entry.events : {}).map(([type, readers]) => ({ service, type, readers })),
);
const aggregateOf = (type: string) => type.slice(0, type.lastIndexOf('.'));
const readBy = (reader: string) => EVENTS.filter(({ readers }) => readers.includes(reader)).map(({ type }) => type);

test('every type of event is read by a service', (t) => {
  for (const { type, readers } of EVENTS) {
    t.true(readers.length > 0, type);
    for (const reader of readers) t.true(reader in SERVICES, `${type}: ${reader}`);
  }
});

test('the websocket service does something with exactly the types that the catalogue says', (t) => {
  t.deepEqual(Object.keys(READERS).toSorted(), readBy('websocket').toSorted());
  const topics = new Set(readBy('websocket').map((type) => topicOf(aggregateOf(type))));
  t.deepEqual(new Set(Object.keys(topicHandlers({} as never))), topics);
});

test('queries project exactly the kinds of aggregates whose events the catalogue says they read, whatever the type', (t) => {
  const projected = new Set<string>(PROJECTIONS.map(({ aggregateType }) => aggregateType));
  t.deepEqual(new Set(readBy('query').map(aggregateOf)), projected);
  const ofThose = EVENTS.filter(({ type }) => projected.has(aggregateOf(type))).map(({ type }) => type);
  t.deepEqual(readBy('query'), ofThose);
});

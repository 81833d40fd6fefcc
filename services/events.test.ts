import test from 'ava';
import { aggregateOf, topicOf } from '#platform/outbox/event.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { type Entry, EVENTS_KEPT_DAYS, SERVICES, TELLERS, TOPICS } from './catalogue.ts';
import { ERASURES_TOPIC } from './query/erasure.ts';
import { PROJECTIONS } from './query/projections/registry.ts';
import { READERS, topicHandlers } from './websocket/readers.ts';

/** Each type of event with its readers, as the catalogue says. */
const EVENTS = Object.entries(SERVICES).flatMap(([service, entry]) =>
  Object.entries<readonly string[]>('events' in entry ? entry.events : {}).map(([type, readers]) => ({ service, type, readers })),
);
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
  t.deepEqual(new Set(Object.keys(topicHandlers({} as never, {} as never))), topics);
});

test('queries project exactly the kinds of aggregates whose events the catalogue says they read, whatever the type', (t) => {
  const projected = new Set<string>(PROJECTIONS.map(({ aggregateType }) => aggregateType));
  // Who is to be erased, it reads whenever it is asked.
  const asked = new Set([...readBy('query').map(aggregateOf)].filter((type) => topicOf(type) === ERASURES_TOPIC));
  t.is(asked.size, 1);
  t.deepEqual([...new Set(readBy('query').map(aggregateOf))].sort(), [...projected.union(asked)].sort());
  const ofThose = EVENTS.filter(({ type }) => projected.union(asked).has(aggregateOf(type))).map(({ type }) => type);
  t.deepEqual(readBy('query'), ofThose);
});

test('of the aggregates of every type of event their service tells the present state, or nothing is made from them', (t) => {
  for (const { service, type } of EVENTS) {
    const aggregateType = aggregateOf(type);
    const told = TELLERS.some((teller) => teller.service === service && teller.aggregateType === aggregateType);
    const passes = topicOf(aggregateType) in EVENTS_KEPT_DAYS;
    t.true(
      told !== passes,
      `${type}: services/catalogue.ts says of ${aggregateType} that it is told, or for how long it is kept`,
    );
  }
  t.deepEqual(TOPICS.toSorted(), [...new Set(EVENTS.map(({ type }) => topicOf(aggregateOf(type))))].toSorted());
});

test('a service that has an outbox and says neither is an error of types', (t) => {
  const silent = { contract: MemberServiceService, outbox: 'postgres' } as const;
  const declared: Record<string, Entry> = {
    tells: { ...silent, tells: ['a'] },
    passes: { ...silent, keptDays: { a: 7 } },
    without: { contract: MemberServiceService },
    // @ts-expect-error: what its readers lose, nobody can tell them again
    says: silent,
    // @ts-expect-error: that is to tell of nothing
    empty: { ...silent, tells: [] },
    // @ts-expect-error: its events have no outbox to be sent from
    sends: { contract: MemberServiceService, events: { 'a.made': ['query'] } },
  };
  t.is(Object.keys(declared).length, 6);
});

import { type EventMessage, PoisonError } from '#platform/kafka/subscribe.ts';
import { aggregateOf } from '#platform/outbox/event.ts';
import { contextFrom, currentTraceparent, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import type { OwnSaying } from './member-events.ts';
import type { SocketStore } from './store.ts';
import type { Saying, TopicEvent } from './topic-store.ts';

// From events as Kafka has them to what is said in topics, and told to members.

/** What is said of an event; `subject`: its key. */
export type Told = (message: EventMessage) => {
  subject: string;
  sayings: Saying[];
  own?: { memberId: string; sayings: OwnSaying[] };
};

/** The last part of an event's type: what has become of what it is about. */
export const changeOf = ({ type }: EventMessage): string => type.slice(type.indexOf('.') + 1);

export const sayEvents = (told: Told) => async (store: SocketStore, messages: EventMessage[]) => {
  // As of jobs: parsed one by one before anything is said.
  const events = await Promise.all(messages.map((message) => toTopicEvent(message, told)));
  await store.topics.say(events.filter(({ sayings }) => sayings.length > 0));
  await store.tell(events.flatMap(({ own, ...event }) => (own && own.sayings.length > 0 ? [{ ...event, ...own }] : [])));
};

type Parsed = Omit<ReturnType<Told>, 'subject'>;

/** @throws PoisonError when the message is not an event of what is its key */
export async function toTopicEvent(message: EventMessage, told: Told): Promise<TopicEvent & Parsed> {
  const { type, subject, version, time, traceparent } = message;
  const kind = aggregateOf(type);
  const parsed = parse(message, told);
  const options = { kind: SpanKind.CONSUMER, parent: contextFrom(traceparent) };
  return withSpan(`${kind}.events process`, options, async () => ({
    ...parsed,
    about: `${kind}:${subject}`,
    version,
    traceparent: currentTraceparent() || (traceparent ?? ''),
    time: time.getTime(),
  }));
}

function parse(message: EventMessage, told: Told): Parsed {
  try {
    const { subject, ...parsed } = told(message);
    if (subject === message.subject) return parsed;
  } catch (error) {
    throw new PoisonError(`its data is no event of its type: ${(error as Error).name}`);
  }
  throw new PoisonError('its data is no event of what is its key');
}

import { type EventMessage, PoisonError } from '#platform/kafka/subscribe.ts';
import { aggregateOf } from '#platform/outbox/event.ts';
import { contextFrom, currentTraceparent, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import { GroupEvent, MembershipEvent } from '#proto/musubi/group/v1/group.ts';
import { BindingsEvent, PositionEvent } from '#proto/musubi/position/v1/position.ts';
import { groupTopic } from './domain.ts';
import type { SocketStore } from './store.ts';
import type { Saying, TopicEvent, Whom } from './topic-store.ts';

// Nothing of a state is said, only what has changed: everybody who follows a topic hears the same, and each may see something else of it.

type Told = (message: EventMessage) => { subject: string; sayings: Saying[] };

/** The last part of an event's type: what has become of what it is about. */
const changeOf = ({ type }: EventMessage): string => type.slice(type.indexOf('.') + 1);

function saying(groupId: string, type: string, whom: Whom, of: string, fields: Saying['fields']): Saying {
  return { topic: groupTopic(groupId), type, fields, whom, of };
}

const ofGroup: Told = (message) => {
  const { groupId, version, group, leftParentId, wasFindable } = GroupEvent.fromJSON(message.data);
  const change = changeOf(message);
  const fields = { change, groupId, version };
  const own = saying(groupId, 'group', 'all', groupId, fields);
  const isThere = change === 'created' || change === 'moved';
  const parentIds = new Set([isThere ? group?.parentId : undefined, leftParentId].filter((id) => id !== undefined));
  // Of one that is gone, Auth knows nothing any more, but who could see it if everybody finds it.
  const above = [...parentIds].map((id) =>
    wasFindable ? saying(id, 'group', 'gone', groupId, { change }) : saying(id, 'group', 'group', groupId, fields),
  );
  return { subject: groupId, sayings: [own, ...above] };
};

const ofMembership: Told = (message) => {
  const { groupId, memberId } = MembershipEvent.fromJSON(message.data);
  // Without the version, which counts also what others are not told of: that a member asked, was invited, declined or put out before.
  const fields = { change: changeOf(message), groupId, memberId };
  return { subject: `${groupId}.${memberId}`, sayings: [saying(groupId, 'membership', 'members', memberId, fields)] };
};

const ofPosition: Told = (message) => {
  const { positionId, version, groupId } = PositionEvent.fromJSON(message.data);
  const fields = { change: changeOf(message), groupId, positionId, version };
  // It is not known where one was that is told of again when it is long gone.
  return { subject: positionId, sayings: groupId ? [saying(groupId, 'position', 'positions', positionId, fields)] : [] };
};

const ofBindings: Told = (message) => {
  const { groupId, memberId, version } = BindingsEvent.fromJSON(message.data);
  const fields = { change: changeOf(message), groupId, memberId, version };
  return { subject: `${groupId}.${memberId}`, sayings: [saying(groupId, 'bindings', 'members', memberId, fields)] };
};

const sayEvents = (told: Told) => async (store: SocketStore, messages: EventMessage[]) => {
  // As of jobs: parsed one by one before anything is said.
  const events = await Promise.all(messages.map((message) => toTopicEvent(message, told)));
  await store.topics.say(events.filter(({ sayings }) => sayings.length > 0));
};

export const sayGroupEvents = sayEvents(ofGroup);
export const sayMembershipEvents = sayEvents(ofMembership);
export const sayPositionEvents = sayEvents(ofPosition);
export const sayBindingsEvents = sayEvents(ofBindings);

/** @throws PoisonError when the message is not an event of what is its key */
async function toTopicEvent(message: EventMessage, told: Told): Promise<TopicEvent> {
  const { type, subject, version, time, traceparent } = message;
  const kind = aggregateOf(type);
  const sayings = parse(message, told);
  const options = { kind: SpanKind.CONSUMER, parent: contextFrom(traceparent) };
  return withSpan(`${kind}.events process`, options, async () => ({
    about: `${kind}:${subject}`,
    version,
    sayings,
    traceparent: currentTraceparent() || (traceparent ?? ''),
    time: time.getTime(),
  }));
}

function parse(message: EventMessage, told: Told): Saying[] {
  try {
    const { subject, sayings } = told(message);
    if (subject === message.subject) return sayings;
  } catch (error) {
    throw new PoisonError(`its data is no event of its type: ${(error as Error).name}`);
  }
  throw new PoisonError('its data is no event of what is its key');
}

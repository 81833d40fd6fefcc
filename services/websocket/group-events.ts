import { type EventMessage, PoisonError } from '#platform/kafka/subscribe.ts';
import { aggregateOf } from '#platform/outbox/event.ts';
import { contextFrom, currentTraceparent, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import { GroupEvent, MembershipEvent } from '#proto/musubi/group/v1/group.ts';
import { BindingsEvent, PositionEvent } from '#proto/musubi/position/v1/position.ts';
import { groupsBelow } from './below.ts';
import { candidateSayings, ownSayings } from './candidacies.ts';
import { groupTopic } from './domain.ts';
import type { Peers } from './identity.ts';
import type { OwnSaying } from './member-events.ts';
import type { SocketStore } from './store.ts';
import type { Saying, TopicEvent, Whom } from './topic-store.ts';

// Nothing of a state is said, only what has changed: everybody who follows a topic hears the same, and each may see something else of it.

type Told = (message: EventMessage) => { subject: string; sayings: Saying[]; own?: { memberId: string; sayings: OwnSaying[] } };

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

/** Of these the type says that a member came into the group, or went out of it. */
const OF_MEMBERS: ReadonlySet<string> = new Set(['changed', 'ended']);

const ofMembership: Told = (message) => {
  const event = MembershipEvent.fromJSON(message.data);
  const { groupId, memberId } = event;
  const change = changeOf(message);
  // Without the version, which counts also what others are not told of: that a member asked, was invited, declined or put out before.
  const fields = { change, groupId, memberId };
  const ofMembers = OF_MEMBERS.has(change) ? [saying(groupId, 'membership', 'members', memberId, fields)] : [];
  return {
    subject: `${groupId}.${memberId}`,
    sayings: [...ofMembers, ...candidateSayings(event)],
    own: { memberId, sayings: ownSayings(event) },
  };
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
  await store.tell(events.flatMap(({ own, ...event }) => (own && own.sayings.length > 0 ? [{ ...event, ...own }] : [])));
};

/** What becomes of these groups, becomes of all that are below them: they are somewhere else, or archived, or not any more. */
const OF_ALL_BELOW: ReadonlySet<string> = new Set(['moved', 'archived', 'restored']);

/** What is said of groups, also in the topics of those below them that somebody follows: nothing of what is above these, only that they may look different. */
export async function sayGroupEvents(
  store: SocketStore,
  messages: EventMessage[],
  auth: Pick<Peers['auth'], 'listGroupsBelow'>,
): Promise<void> {
  await sayEvents(ofGroup)(store, messages);
  for (const message of messages.filter((one) => OF_ALL_BELOW.has(changeOf(one)))) {
    const { about, sayings: _, ...event } = await toTopicEvent(message, ofGroup);
    for await (const { afterId, groupIds } of groupsBelow(auth, message.subject)) {
      const sayings = groupIds.map((id) => saying(id, 'group', 'all', id, { change: 'updated', groupId: id }));
      if (sayings.length > 0)
        await store.topics.say([{ ...event, about: `below ${about} ${afterId}`, sayings, followedOnly: true }]);
    }
  }
}

export const sayMembershipEvents = sayEvents(ofMembership);
export const sayPositionEvents = sayEvents(ofPosition);
export const sayBindingsEvents = sayEvents(ofBindings);

type Parsed = Omit<ReturnType<Told>, 'subject'>;

/** @throws PoisonError when the message is not an event of what is its key */
async function toTopicEvent(message: EventMessage, told: Told): Promise<TopicEvent & Parsed> {
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

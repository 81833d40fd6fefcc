import type { EventMessage } from '#platform/kafka/subscribe.ts';
import { GroupEvent, MembershipEvent } from '#proto/musubi/group/v1/group.ts';
import { BindingsEvent, PositionEvent } from '#proto/musubi/position/v1/position.ts';
import { groupsBelow } from './below.ts';
import { candidateSayings, ownSayings } from './candidacies.ts';
import { groupTopic } from './domain.ts';
import type { Peers } from './identity.ts';
import type { SocketStore } from './store.ts';
import { changeOf, sayEvents, type Told, toTopicEvent } from './topic-events.ts';
import type { Saying, Whom } from './topic-store.ts';

// Nothing of a state is said, only what has changed: everybody who follows a topic hears the same, and each may see something else of it.

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

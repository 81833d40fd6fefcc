import { randomUUID } from 'node:crypto';
import test from 'ava';
import { PoisonError } from '#platform/kafka/subscribe.ts';
import type { TestClient } from './client.fixture.ts';
import { compareCursors } from './domain.ts';
import { openFollowing } from './following.fixture.ts';
import {
  bindingsEvent,
  groupEvent,
  heard,
  heardBy,
  membershipEvent,
  positionEvent,
  resume,
  saidTo,
  settled,
  topicOf,
} from './group-events.fixture.ts';
import { goneId } from './peers.fixture.ts';

// What is said in the topics of groups, and who hears what of it. How it is read and resumed: group-resuming.test.ts.

const { sockets, one, two, connect, following } = await openFollowing();
test.after.always(() => sockets.close());
test.afterEach.always(() => {
  sockets.decidedMany = async () => undefined;
});

test('what changes in a group is told to those who follow it, wherever they are, once, and nothing of its state', async (t) => {
  const { groupId, client: here } = await following(one);
  const { client: there } = await following(two, groupId);
  const { client: elsewhere } = await following(two);
  const [who, position] = [randomUUID(), randomUUID()];
  const events = [
    groupEvent('updated', groupId, 2),
    membershipEvent(groupId, who, 1),
    positionEvent(groupId, position, 3),
    bindingsEvent(groupId, who, 4),
    membershipEvent(groupId, who, 2, 'a secret'),
  ];
  await sockets.say(...events);
  await sockets.say(...events);
  await heard(here, 5);
  await heard(there, 5);
  await settled(here);
  const frames = saidTo(here);
  t.deepEqual(saidTo(there), frames);
  t.deepEqual(saidTo(elsewhere), []);
  const cursorless = frames.map((frame) => ({ ...frame, cursor: '' })).toSorted((a, b) => a.type.localeCompare(b.type));
  const topic = topicOf(groupId);
  t.deepEqual(cursorless, [
    { type: 'bindings', topic, cursor: '', change: 'changed', groupId, memberId: who, version: 4 },
    { type: 'group', topic, cursor: '', change: 'updated', groupId, version: 2 },
    { type: 'membership', topic, cursor: '', change: 'changed', groupId, memberId: who },
    { type: 'membership', topic, cursor: '', change: 'ended', groupId, memberId: who },
    { type: 'position', topic, cursor: '', change: 'deleted', groupId, positionId: position, version: 3 },
  ]);
  t.true(frames.every(({ cursor }, i) => i === 0 || compareCursors(frames[i - 1]?.cursor ?? '', cursor) < 0));
});

test('an event that comes late, after a newer one, is not told any more', async (t) => {
  const { groupId, client } = await following();
  await sockets.say(groupEvent('updated', groupId, 3));
  await sockets.say(groupEvent('updated', groupId, 2), groupEvent('updated', groupId, 4));
  await heard(client, 2);
  t.deepEqual(heardBy(client), ['group updated 3', 'group updated 4']);
});

test('what is no event of what is its key is poison, and nothing of it is told', async (t) => {
  const { groupId, client } = await following();
  const events = [
    groupEvent('updated', groupId, 2),
    membershipEvent(groupId, randomUUID(), 2),
    positionEvent(groupId, randomUUID(), 2),
  ];
  for (const event of events)
    await t.throwsAsync(sockets.say({ ...event, aggregateId: randomUUID() }), { instanceOf: PoisonError }, event.type);
  await settled(client);
  t.deepEqual(heardBy(client), []);
});

test.serial('who may not read a group is refused as if there was none; of others nothing changes', async (t) => {
  const [me, hidden, seen] = [randomUUID(), randomUUID(), randomUUID()];
  sockets.allow(me, seen);
  const client = await connect(me);
  const { many } = sockets.decisions;
  client.send({ type: 'subscribe', topics: [hidden, seen].map(topicOf), ref: 'r' });
  const [subscribed] = await client.count('subscribed', 1);
  t.deepEqual(subscribed?.topics, [topicOf(seen)]);
  t.like(client.of('error'), [{ ref: 'r', topic: topicOf(hidden), code: 'GROUP_NOT_FOUND' }]);
  t.is(sockets.decisions.many, many + 1, 'of all groups at once');
  await sockets.say(groupEvent('updated', hidden, 2), groupEvent('updated', seen, 2));
  await heard(client, 1);
  await settled(client);
  t.deepEqual(
    saidTo(client).map(({ topic }) => topic),
    [topicOf(seen)],
  );
});

test.serial(
  'of a member that one may not list, nothing is told, but of itself; and it is asked for all of them at once',
  async (t) => {
    const { groupId, me, client } = await following();
    const [hidden, seen] = [randomUUID(), randomUUID()];
    for (const who of [hidden, me]) sockets.withheld.add(`${me} member.list ${who}`);
    const { many } = sockets.decisions;
    await sockets.store.topics.say([
      {
        ...{ about: 'many', version: 1, traceparent: '', time: Date.now() },
        sayings: [hidden, seen, seen].map((of) => ({
          ...{ topic: topicOf(groupId), type: 'membership', whom: 'members', of },
          fields: { change: 'changed', groupId, memberId: of },
        })),
      },
    ]);
    await heard(client, 2);
    t.is(sockets.decisions.many, many + 1);
    await sockets.say(bindingsEvent(groupId, hidden, 2), membershipEvent(groupId, hidden, 3, 'a secret'));
    await sockets.say(membershipEvent(groupId, me, 1), groupEvent('updated', groupId, 2));
    await client.until(() => heardBy(client).includes('group updated 2'));
    await settled(client);
    t.deepEqual(heardBy(client), [...[seen, seen, me].map((who) => `membership changed ${who}`), 'group updated 2']);
  },
);

test('who may only read the group hears nothing of members and positions, but of itself', async (t) => {
  const groupId = randomUUID();
  const [reader, lister, planner] = [randomUUID(), randomUUID(), randomUUID()];
  sockets.allow(reader, groupId, 'group.read');
  sockets.allow(lister, groupId, 'group.read', 'group.list-members');
  sockets.allow(planner, groupId, 'group.read', 'position.list');
  const clients = await Promise.all([reader, lister, planner].map((me) => connect(me)));
  for (const client of clients) await client.subscribe([topicOf(groupId)]);
  const other = randomUUID();
  await sockets.say(membershipEvent(groupId, other, 1));
  await sockets.say(positionEvent(groupId, randomUUID(), 1));
  await sockets.say(bindingsEvent(groupId, other, 1));
  await sockets.say(membershipEvent(groupId, reader, 7, 'why'));
  await sockets.say(groupEvent('updated', groupId, 9));
  for (const [at, client] of clients.entries()) {
    await client.until(() => heardBy(client).includes('group updated 9'));
    t.deepEqual(
      heardBy(client),
      [
        [`membership ended ${reader}`, 'group updated 9'],
        [`membership changed ${other}`, 'bindings changed 1', `membership ended ${reader}`, 'group updated 9'],
        ['position deleted 1', 'group updated 9'],
      ][at] ?? [],
    );
  }
});

test('who comes into a group hears of its members from then on, without subscribing again', async (t) => {
  const [groupId, me] = [randomUUID(), randomUUID()];
  sockets.allow(me, groupId, 'group.read');
  const client = await connect(me);
  await client.subscribe([topicOf(groupId)]);
  await sockets.say(membershipEvent(groupId, randomUUID(), 1));
  sockets.allow(me, groupId);
  const other = randomUUID();
  await sockets.say(membershipEvent(groupId, me, 2));
  await sockets.say(membershipEvent(groupId, other, 3));
  await heard(client, 2);
  t.deepEqual(heardBy(client), [`membership changed ${me}`, `membership changed ${other}`]);
});

test('what is made in a group, or moved in or out, is told to those who may read it; to others not even that something was', async (t) => {
  const { groupId: from, client: hidden } = await following();
  const { groupId: to, client: seen, me } = await following(two);
  const { client: both, me: other } = await following(one, from);
  sockets.allow(other, to);
  await both.subscribe([topicOf(to)]);
  const inner = randomUUID();
  for (const reader of [me, other]) sockets.allow(reader, inner, 'group.read');
  await sockets.say(groupEvent('created', inner, 1, { parentId: from }));
  await sockets.say(groupEvent('moved', inner, 2, { parentId: to, left: from }));
  await sockets.say(groupEvent('updated', inner, 3, { parentId: to }));
  await heard(seen, 1);
  await heard(both, 3);
  for (const client of [hidden, seen, both]) await settled(client);
  t.deepEqual(heardBy(hidden), []);
  const told = (client: TestClient) => saidTo(client).map(({ topic, change, ...rest }) => ({ topic, change, id: rest.groupId }));
  t.deepEqual(told(seen), [{ topic: topicOf(to), change: 'moved', id: inner }]);
  // What is said in one topic keeps its order; another topic is read by itself.
  const toldIn = (groupId: string) => told(both).flatMap(({ topic, change }) => (topic === topicOf(groupId) ? [change] : []));
  t.deepEqual(toldIn(from), ['created', 'moved']);
  t.deepEqual(toldIn(to), ['moved']);
  t.is(told(both).length, 3);
});

test('that one is gone is told without its ID if everybody could find it, to those only who could see it', async (t) => {
  const { groupId, client, me } = await following();
  const { client: forbidden } = await following(two, groupId);
  const [open, hidden, mine] = [randomUUID(), randomUUID(), randomUUID()];
  sockets.allow(me, goneId(open, groupId), 'group.read');
  sockets.allow(me, mine, 'group.read');
  // What Auth says of one that is gone, it does not say of one that is there.
  await sockets.say(groupEvent('created', open, 1, { parentId: groupId }));
  await sockets.say(groupEvent('deleted', hidden, 2, { left: groupId }));
  await sockets.say(groupEvent('deleted', open, 2, { left: groupId, wasFindable: true }));
  await sockets.say(groupEvent('deleted', mine, 5, { left: groupId }));
  await heard(client, 2);
  for (const each of [client, forbidden]) await settled(each);
  t.deepEqual(
    saidTo(client).map((frame) => ({ ...frame, cursor: '' })),
    [
      { type: 'group', topic: topicOf(groupId), cursor: '', change: 'deleted' },
      { type: 'group', topic: topicOf(groupId), cursor: '', change: 'deleted', groupId: mine, version: 5 },
    ] as never,
  );
  t.deepEqual(saidTo(forbidden), [], 'not even that something is gone');
});

test.serial('of many that are made in a group Auth is asked a hundred at a time', async (t) => {
  const { groupId, client, me } = await following();
  const made = Array.from({ length: 150 }, () => randomUUID());
  for (const id of made) sockets.allow(me, id, 'group.read');
  const { many } = sockets.decisions;
  // While the client reads nothing of it yet.
  const cursor = client.of('subscribed')[0]?.cursors[topicOf(groupId)];
  client.drop();
  await sockets.say(...made.map((id) => groupEvent('created', id, 1, { parentId: groupId })));
  const again = await connect(me);
  await resume(again, groupId, cursor);
  await heard(again, 150);
  t.deepEqual(
    saidTo(again).map((frame) => 'groupId' in frame && frame.groupId),
    made,
  );
  t.true(sockets.decisions.many - many <= 5, `${sockets.decisions.many - many}`);
});

test('the topics of groups count as others do', async (t) => {
  const me = randomUUID();
  const ids = [randomUUID(), randomUUID(), randomUUID()];
  for (const id of ids) sockets.allow(me, id);
  const small = await sockets.instance({ limits: { topicsPerSocket: 2 } });
  const client = await connect(me, small);
  client.send({ type: 'subscribe', topics: [...ids.map(topicOf), 'group:', 'groups:x'] });
  await client.count('subscribed', 1);
  t.deepEqual(client.of('subscribed')[0]?.topics, ids.slice(0, 2).map(topicOf));
  t.deepEqual(
    client.of('error').map(({ code }) => code),
    ['TOO_MANY_TOPICS', 'TOPIC_UNKNOWN', 'TOPIC_UNKNOWN'],
  );
});

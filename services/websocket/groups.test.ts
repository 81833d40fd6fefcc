import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { TestClient } from './client.fixture.ts';
import { ANSWER_HOLDS_MS, compareCursors } from './domain.ts';
import { bindingsEvent, groupEvent, heard, heardBy, membershipEvent, positionEvent, saidTo } from './group-events.fixture.ts';
import { SharedTopics } from './shared-topics.ts';
import { KEPT, openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';
import { TopicFeeds } from './topic-feeds.ts';

// What is said in the topics of groups: who hears what of it, in order, once, and also who comes back.

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  one = await sockets.instance();
  two = await sockets.instance();
});
test.after.always(() => sockets?.close());
test.afterEach.always(() => {
  sockets.decidedMany = async () => undefined;
});

const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));
const topicOf = (groupId: string): string => `group:${groupId}`;

/** A group, and a socket of a member who may see all of it and follows it. */
async function following(at = one, groupId = randomUUID()) {
  const me = randomUUID();
  sockets.allow(me, groupId);
  const client = await connect(me, at);
  await client.subscribe([topicOf(groupId)]);
  return { groupId, me, client };
}

/** A round trip: what was sent before it has come. */
async function settled(client: TestClient): Promise<void> {
  await sleep(150);
  const before = client.of('pong').length;
  client.send({ type: 'ping' });
  await client.count('pong', before + 1);
}

/** Subscribes from a cursor on. @returns the cursor where it begins */
async function resume(client: TestClient, groupId: string, cursor: string | undefined): Promise<string | undefined> {
  const before = client.of('subscribed').length;
  const topic = topicOf(groupId);
  client.send({ type: 'subscribe', topics: [topic], ...(cursor ? { cursors: { [topic]: cursor } } : {}) });
  return (await client.count('subscribed', before + 1))[before]?.cursors[topic];
}

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

test('that one is gone is told without its ID, and only if everybody could find it', async (t) => {
  const { groupId, client, me } = await following();
  const [open, hidden, mine] = [randomUUID(), randomUUID(), randomUUID()];
  sockets.allow(me, mine, 'group.read');
  await sockets.say(groupEvent('deleted', hidden, 2, { left: groupId }));
  await sockets.say(groupEvent('deleted', open, 2, { left: groupId, wasFindable: true }));
  await sockets.say(groupEvent('deleted', mine, 5, { left: groupId }));
  await heard(client, 2);
  await settled(client);
  t.deepEqual(
    saidTo(client).map((frame) => ({ ...frame, cursor: '' })),
    [
      { type: 'group', topic: topicOf(groupId), cursor: '', change: 'deleted' },
      { type: 'group', topic: topicOf(groupId), cursor: '', change: 'deleted', groupId: mine, version: 5 },
    ] as never,
  );
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

test('who comes back with a cursor, however often and wherever, gets everything in order and once', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ events: fc.nat(12), missed: fc.nat(12), elsewhere: fc.boolean() }), { minLength: 1, maxLength: 4 }),
      async (visits) => {
        const [me, groupId] = [randomUUID(), randomUUID()];
        sockets.allow(me, groupId);
        let version = 0;
        const emit = async (count: number): Promise<void> => {
          for (let i = 0; i < count; i++) await sockets.say(groupEvent('updated', groupId, ++version));
        };
        const got: (number | undefined)[] = [];
        let cursor: string | undefined;
        for (const { events, missed, elsewhere } of visits) {
          const client = await connect(me, elsewhere ? two : one);
          const flowing = cursor === undefined ? undefined : emit(events);
          const start = await resume(client, groupId, cursor);
          if (cursor !== undefined) t.is(start, cursor);
          await flowing;
          await emit(events);
          client.drop();
          got.push(...saidTo(client).map((frame) => frame.version));
          cursor = saidTo(client).at(-1)?.cursor ?? start;
          await emit(missed);
        }
        const last = await connect(me, two);
        await resume(last, groupId, cursor);
        await last.until(() => got.length + saidTo(last).length >= version);
        got.push(...saidTo(last).map((frame) => frame.version));
        t.deepEqual(
          got,
          Array.from({ length: version }, (_, i) => i + 1),
        );
        last.drop();
      },
    ),
    { numRuns: 12 },
  );
});

test('an older cursor in a later subscribe brings what is after it again, and a topic that was left and taken again begins now', async (t) => {
  const { groupId, client } = await following();
  const start = client.of('subscribed')[0]?.cursors[topicOf(groupId)];
  await sockets.say(groupEvent('updated', groupId, 1));
  await heard(client, 1);
  await resume(client, groupId, start);
  await heard(client, 2);
  client.send({ type: 'unsubscribe', topics: [topicOf(groupId)] });
  await client.count('unsubscribed', 1);
  await sockets.say(groupEvent('updated', groupId, 2));
  await resume(client, groupId, undefined);
  await sockets.say(groupEvent('updated', groupId, 3));
  await heard(client, 3);
  t.deepEqual(heardBy(client), ['group updated 1', 'group updated 1', 'group updated 3']);
});

test.serial(
  'a cursor that is too old, of another server, or of a store that has lost its data gets a reset, and then what is new',
  async (t) => {
    const { groupId, me } = await following();
    const topic = topicOf(groupId);
    const far = `${Date.now() + 3_600_000}-0`;
    const lost = async (): Promise<string> => {
      // As if Redis had begun anew after this cursor.
      await sockets.redis.del(`${sockets.prefix}ws:born`);
      return `${Date.now() - 20}-0`;
    };
    const dropped = async (): Promise<string> => {
      const cursor = `${Date.now()}-0`;
      await sockets.say(...Array.from({ length: KEPT.events + 1 }, () => bindingsEvent(groupId, randomUUID(), 1)));
      return cursor;
    };
    for (const [version, cursorOf] of [async () => '1-0', async () => far, lost, dropped].entries()) {
      const cursor = await cursorOf();
      const client = await connect(me);
      const start = await resume(client, groupId, cursor);
      t.deepEqual(client.of('reset'), [{ type: 'reset', topic }]);
      t.not(start, cursor);
      await sockets.say(groupEvent('updated', groupId, version + 1));
      await heard(client, 1);
      t.deepEqual(heardBy(client), [`group updated ${version + 1}`]);
    }
  },
);

test.serial('a socket that lags behind what is kept is told so, and goes on from now', async (t) => {
  const { groupId, client, me } = await following();
  const { client: other } = await following(one, groupId);
  // What its member is to the group is asked, and Auth does not answer for a while.
  const held = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  sockets.decidedMany = () => {
    asked.resolve();
    return held.promise;
  };
  await sockets.say(bindingsEvent(groupId, me, 1));
  await asked.promise;
  // Another one at the same node does not wait for it.
  await heard(other, 1);
  await sockets.say(...Array.from({ length: KEPT.events + 1 }, () => bindingsEvent(groupId, randomUUID(), 1)));
  sockets.decidedMany = async () => undefined;
  held.resolve();
  await client.count('reset', 1);
  await settled(client);
  await sockets.say(groupEvent('updated', groupId, 2));
  await client.until(() => heardBy(client).includes('group updated 2'));
  t.deepEqual(client.of('reset'), [{ type: 'reset', topic: topicOf(groupId) }]);
});

test('sockets at one place read once, and are sent the same bytes; who asks later, when more was said, reads again', async (t) => {
  const { topics } = sockets.store;
  let reads = 0;
  const read: typeof topics.read = (...given) => {
    reads++;
    return topics.read(...given);
  };
  const instance = randomUUID();
  await sockets.store.renew(instance, 60_000);
  const shared = new SharedTopics({ ...topics, read }, { instance, healed: 1 });
  const [groupId, woken] = [randomUUID(), [0, 0]];
  const topic = topicOf(groupId);
  for (const at of [0, 1]) shared.join(topic, () => (woken[at] = (woken[at] ?? 0) + 1));
  const now = await shared.takeUp(topic, 60_000);
  await sockets.say(groupEvent('updated', groupId, 1));
  const [a, b] = await Promise.all([shared.read(topic, now), shared.read(topic, now)]);
  t.is(reads, 1);
  t.is(a.frames[0]?.bytes, b.frames[0]?.bytes);
  const early = shared.read(topic, now);
  shared.heard(topic);
  await Promise.all([early, shared.read(topic, now)]);
  t.is(reads, 3, 'what was asked for before it was heard may not have it');
  t.deepEqual(woken, [1, 1]);
});

test('what was read a while ago is not handed over: the socket may have been cut off since', async (t) => {
  const { topics } = sockets.store;
  const [instance, groupId] = [randomUUID(), randomUUID()];
  await sockets.store.renew(instance, 60_000);
  // As if the process had stood still with it.
  let stillMs = ANSWER_HOLDS_MS + 100;
  const read: typeof topics.read = async (...given) => {
    const chunk = await topics.read(...given);
    await sleep(stillMs);
    return chunk;
  };
  const pushed: (string | undefined)[] = [];
  const feeds = new TopicFeeds(new SharedTopics({ ...topics, read }, { instance, healed: 1 }), {
    socketId: 'socket',
    memberId: 'member',
    wake: () => undefined,
    push: async ({ cursor }) => void pushed.push(cursor),
    reset: async () => undefined,
    pay: async () => true,
    look: async (_, group) => group,
    readable: async (ids) => new Set(ids),
  });
  const topic = topicOf(groupId);
  feeds.add(topic, { groupId, sight: { members: true, positions: true } });
  await feeds.begin(topic, undefined, 60_000);
  await sockets.say(groupEvent('updated', groupId, 1));
  t.true(await feeds.pump(topic), 'there is more to do');
  t.deepEqual(pushed, []);
  stillMs = 0;
  t.false(await feeds.pump(topic));
  t.deepEqual(pushed, [feeds.cursorOf(topic)]);
});

test('an instance is told of a topic while a socket of it follows that, and nothing is kept for ever', async (t) => {
  const { groupId, client } = await following();
  const { client: other } = await following(one, groupId);
  const { client: there } = await following(two, groupId);
  const key = (name: string): string => `${sockets.prefix}ws:${name}`;
  const holders = (): Promise<string[]> => sockets.redis.smembers(key(`holders:${topicOf(groupId)}`));
  t.deepEqual((await holders()).toSorted(), [one.hub.instance, two.hub.instance].toSorted());
  await sockets.say(groupEvent('updated', groupId, 1));
  for (const name of [`topic:${topicOf(groupId)}`, `seen:group:${groupId}`]) {
    const left = await sockets.redis.pttl(key(name));
    t.true(left > KEPT.ms - 10_000 && left <= KEPT.ms, name);
  }
  t.true((await sockets.redis.pttl(key(`holders:${topicOf(groupId)}`))) > 0);
  client.drop();
  other.send({ type: 'unsubscribe', topics: [topicOf(groupId)] });
  await other.until(async () => (await holders()).length === 1);
  t.deepEqual(await holders(), [two.hub.instance]);
  there.drop();
  await other.until(async () => (await holders()).length === 0);
});

test('an instance that died is not told any more', async (t) => {
  const { groupId } = await following();
  const holders = `${sockets.prefix}ws:holders:${topicOf(groupId)}`;
  await sockets.store.topics.takeUp(topicOf(groupId), 'dead', 60_000);
  await sockets.say(groupEvent('updated', groupId, 1));
  t.deepEqual(await sockets.redis.smembers(holders), [one.hub.instance]);
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

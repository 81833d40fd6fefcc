import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { ANSWER_HOLDS_MS } from './domain.ts';
import { openFollowing } from './following.fixture.ts';
import { bindingsEvent, groupEvent, heard, heardBy, resume, saidTo, settled, topicOf } from './group-events.fixture.ts';
import { SharedTopics } from './shared-topics.ts';
import { KEPT } from './socket.fixture.ts';
import { NO_SIGHT } from './things.ts';
import { TopicFeeds } from './topic-feeds.ts';

// How what is said in the topics of groups comes: in order, once, also to who comes back, and read once for all who stand at one place.

const { sockets, one, two, connect, following } = await openFollowing();
test.after.always(() => sockets.close());
test.afterEach.always(() => {
  sockets.decidedMany = async () => undefined;
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
  const reader = randomUUID();
  sockets.allow(reader, groupId, 'group.read');
  const other = await connect(reader);
  await other.subscribe([topicOf(groupId)]);
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
  await sockets.say(groupEvent('updated', groupId, 1));
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
    visible: async (asked) => asked.map(() => true),
  });
  const topic = topicOf(groupId);
  feeds.add(topic, { groupId, sight: NO_SIGHT });
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

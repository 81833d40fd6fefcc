import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { TestClient } from './client.fixture.ts';
import { openFollowing } from './following.fixture.ts';
import { bindingsEvent, groupEvent, heard, heardBy, membershipEvent, settled, topicOf } from './group-events.fixture.ts';
import { narrowSockets } from './steps/narrow-sockets.ts';

// When NarrowSockets has answered, nothing of a group is sent that a member may not see any more, whatever was decided or read before.

const { sockets, one, two, connect, following } = await openFollowing({ limits: { pingMs: 3_600_000 } });
test.after.always(() => sockets.close());
test.afterEach.always(() => {
  sockets.decidedMany = async () => undefined;
  sockets.authIsAway = false;
});

const narrow = (me?: string) => narrowSockets(sockets.store, me === undefined ? undefined : [me]);
const ends = (client: TestClient) => client.of('unsubscribed').map(({ topics, code }) => ({ topics, code }));
const revoked = (groupId: string) => ({ topics: [topicOf(groupId)], code: 'PERMISSION_REVOKED' });

/** Holds each answer of Auth on many things back, though it is decided. */
function holdAnswers() {
  const [held, decided] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  sockets.decidedMany = () => {
    decided.resolve();
    return held.promise;
  };
  /** Answers that are asked for from now on come at once. */
  const pass = (): void => {
    sockets.decidedMany = async () => undefined;
  };
  return { decided: decided.promise, pass, release: held.resolve };
}

test.serial(
  'what a member may not follow any more ends on every instance before the answer, once, and nothing else does',
  async (t) => {
    const { groupId, me, client: a } = await following(one);
    const { client: b } = await following(two, groupId, me);
    const { client: other } = await following(two, groupId);
    const { groupId: kept } = await following();
    sockets.allow(me, kept);
    await a.subscribe([topicOf(kept)]);
    sockets.forbid(me, groupId);
    const asked = sockets.decisions.many;
    await narrow(me);
    t.is(sockets.decisions.many, asked + 2, 'each socket of the member asks once, and of others none');
    await narrow(me);
    await sockets.say(groupEvent('updated', groupId, 2), groupEvent('updated', kept, 3));
    await heard(other, 1);
    await heard(a, 1);
    for (const client of [a, b]) {
      await settled(client);
      t.deepEqual(ends(client), [revoked(groupId)]);
    }
    t.deepEqual(heardBy(a), ['group updated 3']);
    t.deepEqual(heardBy(b), []);
    t.deepEqual(ends(other), []);
    t.deepEqual(
      [a, b, other].map(({ closed }) => closed),
      [undefined, undefined, undefined],
    );
  },
);

test.serial('where all are asked, those lose it who may not any more', async (t) => {
  const { groupId, me, client } = await following(one);
  const { client: other } = await following(two, groupId);
  sockets.forbid(me, groupId);
  await narrow();
  await sockets.say(groupEvent('updated', groupId, 2));
  await heard(other, 1);
  await settled(client);
  t.deepEqual([ends(client), heardBy(client), ends(other)], [[revoked(groupId)], [], []]);
});

test.serial('who may still read the group, but not its members any more, hears of these no more', async (t) => {
  const { groupId, me, client } = await following();
  sockets.forbid(me, groupId, 'group.list-members', 'position.list');
  await narrow(me);
  await sockets.say(membershipEvent(groupId, randomUUID(), 1), bindingsEvent(groupId, randomUUID(), 2));
  await sockets.say(groupEvent('updated', groupId, 3));
  await heard(client, 1);
  await settled(client);
  t.deepEqual([heardBy(client), ends(client)], [['group updated 3'], []]);
});

test.serial('of a group that is made, nothing is told on what Auth has said before', async (t) => {
  const { groupId, me, client } = await following();
  const inner = randomUUID();
  sockets.allow(me, inner, 'group.read');
  const { decided, pass, release } = holdAnswers();
  await sockets.say(groupEvent('created', inner, 1, { parentId: groupId }));
  await decided;
  pass();
  sockets.forbid(me, inner);
  await narrow(me);
  release();
  await settled(client);
  t.deepEqual([heardBy(client), ends(client)], [[], []]);
});

test.serial('an answer from before that comes late gives nothing back', async (t) => {
  const { groupId, me, client } = await following();
  // Its own membership has it ask what it may see.
  const { decided, pass, release } = holdAnswers();
  await sockets.say(membershipEvent(groupId, me, 1));
  await decided;
  pass();
  sockets.forbid(me, groupId, 'group.list-members');
  await narrow(me);
  release();
  await heard(client, 1);
  await sockets.say(membershipEvent(groupId, randomUUID(), 1), groupEvent('updated', groupId, 2));
  await heard(client, 2);
  await settled(client);
  t.deepEqual(heardBy(client).toSorted(), ['group updated 2', `membership changed ${me}`]);
});

test.serial(
  'of two answers of Auth, the older one gives nothing back that the newer one took, though it comes later',
  async (t) => {
    const { groupId, me, client } = await following();
    const { decided, pass, release } = holdAnswers();
    await sockets.store.recheck([me]);
    await decided;
    pass();
    sockets.forbid(me, groupId, 'group.list-members');
    await narrow(me);
    // It asks once more, as what it was told is old: until that is answered, the older answer is the last one.
    const again = holdAnswers();
    release();
    await again.decided;
    await sockets.say(membershipEvent(groupId, randomUUID(), 1), groupEvent('updated', groupId, 2));
    await heard(client, 1);
    await settled(client);
    again.release();
    t.deepEqual(heardBy(client), ['group updated 2']);
  },
);

for (const whom of ['the member', 'all']) {
  test.serial(`what is being subscribed to on what Auth has said before, is not followed when ${whom} is narrowed`, async (t) => {
    const [me, groupId] = [randomUUID(), randomUUID()];
    sockets.allow(me, groupId);
    const client = await connect(me);
    const { decided, pass, release } = holdAnswers();
    client.send({ type: 'subscribe', topics: [topicOf(groupId)] });
    await decided;
    pass();
    sockets.forbid(me, groupId);
    await narrow(whom === 'all' ? undefined : me);
    release();
    const [subscribed] = await client.count('subscribed', 1);
    t.deepEqual(subscribed?.topics, []);
    t.deepEqual(
      client.of('error').map(({ code }) => code),
      ['GROUP_NOT_FOUND'],
    );
    await sockets.say(groupEvent('updated', groupId, 2));
    await settled(client);
    t.deepEqual(heardBy(client), []);
  });
}

test.serial('a socket for which Auth does not answer in time is told nothing, until Auth has spoken; others are', async (t) => {
  const { groupId, me, client } = await following();
  const { client: other } = await following(one, groupId);
  const { groupId: kept } = await following();
  sockets.allow(me, kept);
  await client.subscribe([topicOf(kept)]);
  sockets.forbid(me, groupId);
  sockets.authIsAway = true;
  await narrow(me);
  await sockets.say(groupEvent('updated', groupId, 2), groupEvent('updated', kept, 3));
  await heard(other, 1);
  await settled(client);
  t.deepEqual(heardBy(client), []);
  sockets.authIsAway = false;
  await heard(client, 1);
  t.deepEqual(heardBy(client), ['group updated 3'], 'what was said meanwhile of what it may see');
  t.deepEqual(ends(client), [revoked(groupId)]);
});

test.serial('an instance whose lease has lapsed tells nothing before Auth has vouched for all its sockets again', async (t) => {
  const short = await sockets.instance({ leaseMs: 3_000, limits: { pingMs: 3_600_000 } });
  const { groupId, me, client } = await following(short);
  const { groupId: kept } = await following();
  sockets.allow(me, kept);
  await client.subscribe([topicOf(kept)]);
  sockets.authIsAway = true;
  // As if it had stood still: others have taken it for dead, and did not wait for its sockets.
  await sockets.redis.del(`${sockets.prefix}ws:instance:${short.hub.instance}`);
  sockets.forbid(me, groupId);
  await narrow(me);
  const holders = async (id: string) => await sockets.redis.smembers(`${sockets.prefix}ws:holders:${topicOf(id)}`);
  await sockets.say(groupEvent('updated', groupId, 2), groupEvent('updated', kept, 3));
  t.false((await holders(groupId)).includes(short.hub.instance), 'nor is it told');
  await client.until(async () => (await sockets.redis.exists(`${sockets.prefix}ws:instance:${short.hub.instance}`)) === 1);
  short.hub.shared.heard(topicOf(groupId));
  short.hub.shared.heard(topicOf(kept));
  await settled(client);
  t.deepEqual(heardBy(client), []);
  sockets.authIsAway = false;
  await heard(client, 1);
  await settled(client);
  t.deepEqual([heardBy(client), ends(client)], [['group updated 3'], [revoked(groupId)]]);
  t.true((await holders(kept)).includes(short.hub.instance), 'it is told again');
});

test.serial('a renewed token keeps what is followed, and is asked about it', async (t) => {
  const { groupId, me, client } = await following();
  client.send({ type: 'auth', token: sockets.token(me, 3_600) });
  const holders = `${sockets.prefix}ws:holders:${topicOf(groupId)}`;
  await client.until(async () => (await sockets.redis.pttl(holders)) > 3_000_000);
  sockets.forbid(me, groupId);
  client.send({ type: 'auth', token: sockets.token(me) });
  await client.count('unsubscribed', 1);
  t.deepEqual(ends(client), [revoked(groupId)]);
});

test.serial('a socket whose session has ended hears nothing more', async (t) => {
  const { groupId, me, client } = await following();
  for (const [token, { memberId }] of sockets.tokens) if (memberId === me) sockets.revoked.add(token);
  await sockets.store.close(me);
  t.is(await client.closeCode(), 4403);
  await sockets.say(groupEvent('updated', groupId, 2));
  await sleep(100);
  t.deepEqual(heardBy(client), []);
  await client.until(async () => (await sockets.redis.exists(`${sockets.prefix}ws:holders:${topicOf(groupId)}`)) === 0);
});

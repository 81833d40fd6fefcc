import { randomUUID } from 'node:crypto';
import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { groupEvent, heard, heardBy, membershipEvent, resume, saidTo, settled, topicOf } from './group-events.fixture.ts';
import { KEPT, openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';
import { closeSockets } from './steps/close-sockets.ts';
import { narrowSockets } from './steps/narrow-sockets.ts';
import { topicStore } from './topic-store.ts';

// Nobody is told what was said while it could not hear it: whatever cursor it brings, and whatever has become of its sight meanwhile.

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  const limits = { pingMs: 3_600_000 };
  one = await sockets.instance({ limits });
  two = await sockets.instance({ limits });
  // Nothing was lost for long: what keeps somebody from what was said is that alone which is tried here.
  await sockets.redis.set(`${sockets.prefix}ws:born`, Date.now() - KEPT.ms);
});
test.after.always(() => sockets?.close());

const narrow = (...memberIds: string[]) => narrowSockets(sockets.store, memberIds.length > 0 ? memberIds : undefined);
const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));
const ago = (ms: number): string => `${Date.now() - ms}-0`;

/** A group in which something was said, and a member who may see all of it from now on. */
async function letIn() {
  const [me, groupId] = [randomUUID(), randomUUID()];
  await sockets.store.topics.takeUp(topicOf(groupId), 'elsewhere', 60_000);
  const before = ago(10_000);
  await sockets.say(groupEvent('updated', groupId, 1), membershipEvent(groupId, randomUUID(), 1));
  sockets.allow(me, groupId);
  return { me, groupId, before };
}

/** Comes back with a cursor, and hears what is said then. @returns whether it was told to read again, and what it was told */
async function comeBack(me: string, groupId: string, cursor: string | undefined, version: number, at = two) {
  const client = await connect(me, at);
  await resume(client, groupId, cursor);
  await sockets.say(groupEvent('updated', groupId, version));
  await client.until(() => heardBy(client).includes(`group updated ${version}`));
  client.drop();
  return { reset: client.of('reset').length, heard: heardBy(client), cursor: saidTo(client).at(-1)?.cursor };
}

test('a cursor that is made up, or of another member, is one of nothing', async (t) => {
  const { me, groupId, before } = await letIn();
  t.like(await comeBack(me, groupId, before, 2), { reset: 1, heard: ['group updated 2'] });
  const friend = randomUUID();
  sockets.allow(friend, groupId);
  const { cursor } = await comeBack(friend, groupId, undefined, 3);
  await sockets.say(groupEvent('updated', groupId, 4));
  const stranger = randomUUID();
  sockets.allow(stranger, groupId);
  t.like(await comeBack(stranger, groupId, cursor, 5), { reset: 1, heard: ['group updated 5'] });
  t.like(await comeBack(friend, groupId, cursor, 6), { reset: 0, heard: [4, 5, 6].map((version) => `group updated ${version}`) });
});

test('nor does who follows already get what was said before by an older cursor', async (t) => {
  const { me, groupId, before } = await letIn();
  const client = await connect(me);
  const start = await resume(client, groupId, undefined);
  await sockets.say(groupEvent('updated', groupId, 2));
  await heard(client, 1);
  await resume(client, groupId, before);
  await client.count('reset', 1);
  await settled(client);
  t.deepEqual(heardBy(client), ['group updated 2']);
  await resume(client, groupId, start);
  await heard(client, 2);
  t.deepEqual(heardBy(client), ['group updated 2', 'group updated 2'], 'what it has had since it came');
});

for (const [whom, by] of Object.entries({
  'the member': (me: string) => narrow(me),
  all: (_: string, groupId: string) => {
    // As a change of roles, or of positions above, would.
    sockets.stamps.set(groupId, randomUUID());
    return narrow();
  },
  'the sessions of the member': (me: string) => closeSockets(sockets.store, me),
})) {
  test.serial(`who was away when ${whom} had to be asked again reads again, as it may have seen nothing meanwhile`, async (t) => {
    const { me, groupId } = await letIn();
    const { cursor } = await comeBack(me, groupId, undefined, 2);
    sockets.forbid(me, groupId);
    await by(me, groupId);
    await sockets.say(groupEvent('updated', groupId, 3));
    sockets.allow(me, groupId);
    const back = await comeBack(me, groupId, cursor, 4);
    t.like(back, { reset: 1, heard: ['group updated 4'] });
    await sockets.say(groupEvent('updated', groupId, 5));
    t.like(await comeBack(me, groupId, back.cursor, 6), { reset: 0, heard: ['group updated 5', 'group updated 6'] });
  });

  test.serial(`who was there when ${whom} had to be asked again, and kept its sight, comes back to what it missed`, async (t) => {
    const { me, groupId } = await letIn();
    const client = await connect(me);
    const cursor = await resume(client, groupId, undefined);
    await by(me, groupId);
    client.drop();
    await sockets.say(groupEvent('updated', groupId, 2));
    t.like(await comeBack(me, groupId, cursor, 3), { reset: 0, heard: ['group updated 2', 'group updated 3'] });
  });
}

test.serial('what concerns another member, or something else, keeps nobody from coming back', async (t) => {
  const { me, groupId } = await letIn();
  const { cursor } = await comeBack(me, groupId, undefined, 2);
  await narrow(randomUUID());
  sockets.stamps.set(randomUUID(), randomUUID());
  await narrow();
  await sockets.say(groupEvent('updated', groupId, 3));
  t.like(await comeBack(me, groupId, cursor, 4), { reset: 0, heard: ['group updated 3', 'group updated 4'] });
});

test.serial('who loses a group and gets it again while it is there is told nothing of the time between', async (t) => {
  const { me, groupId } = await letIn();
  const client = await connect(me);
  const cursor = await resume(client, groupId, undefined);
  sockets.forbid(me, groupId);
  await narrow(me);
  await client.count('unsubscribed', 1);
  await sockets.say(groupEvent('updated', groupId, 2));
  sockets.allow(me, groupId);
  await narrow(me);
  await resume(client, groupId, cursor);
  await client.count('reset', 1);
  await sockets.say(groupEvent('updated', groupId, 3));
  await heard(client, 1);
  t.deepEqual(heardBy(client), ['group updated 3']);
});

test.serial('who comes to see more is told nothing of that from before, whether it is there or comes back', async (t) => {
  const [me, groupId, who] = [randomUUID(), randomUUID(), randomUUID()];
  sockets.allow(me, groupId, 'group.read');
  const client = await connect(me);
  const cursor = await resume(client, groupId, undefined);
  await sockets.say(membershipEvent(groupId, who, 1), groupEvent('updated', groupId, 1));
  await heard(client, 1);
  sockets.allow(me, groupId);
  await narrow(me);
  await resume(client, groupId, cursor);
  await client.count('reset', 1);
  await sockets.say(membershipEvent(groupId, who, 2));
  await heard(client, 2);
  t.deepEqual(heardBy(client), ['group updated 1', `membership changed ${who}`]);
  client.drop();
  t.like(await comeBack(me, groupId, cursor, 2), { reset: 1, heard: ['group updated 2'] });
});

test.serial('to see less, and then as much again, is a break; to see less only is none', async (t) => {
  const { me, groupId } = await letIn();
  const client = await connect(me);
  const cursor = await resume(client, groupId, undefined);
  sockets.forbid(me, groupId, 'group.list-members');
  await narrow(me);
  client.drop();
  const who = randomUUID();
  await sockets.say(membershipEvent(groupId, who, 1));
  t.like(await comeBack(me, groupId, cursor, 2), { reset: 0, heard: ['group updated 2'] });
  sockets.allow(me, groupId);
  t.like(await comeBack(me, groupId, cursor, 3), { reset: 1, heard: ['group updated 3'] });
});

test.serial(
  'what is noted of a sight is kept for as long as events are, and less long than that it may have ended',
  async (t) => {
    const { me, groupId } = await letIn();
    const client = await connect(me);
    await resume(client, groupId, undefined);
    const left = (name: string): Promise<number> => sockets.redis.pttl(`${sockets.prefix}ws:${name}`);
    const noted = await left(`sight:${me}:${topicOf(groupId)}`);
    t.true(noted >= KEPT.ms && noted <= KEPT.ms + 300_000, String(noted));
    await narrow(me);
    await narrow();
    for (const name of [`closed:${me}`, 'narrowed']) t.true((await left(name)) > KEPT.ms + 300_000, name);
    client.drop();
  },
);

test.serial('of two answers of Auth, the older one is not noted when it comes later', async (t) => {
  const topics = topicStore(sockets.redis, KEPT, sockets.prefix);
  const [me, topic] = [randomUUID(), topicOf(randomUUID())];
  const given = { forMs: 10_000, goesOn: false };
  await topics.see(me, new Map([[topic, 'g newer']]), { ...given, closings: 2 });
  await topics.see(me, new Map([[topic, 'gm older']]), { ...given, closings: 1 });
  t.regex((await sockets.redis.get(`${sockets.prefix}ws:sight:${me}:${topic}`)) ?? '', / 2 g newer$/);
});

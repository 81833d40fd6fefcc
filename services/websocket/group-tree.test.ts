import { randomUUID } from 'node:crypto';
import test from 'ava';
import { TestClient } from './client.fixture.ts';
import { groupEvent, heard, heardBy, resume, saidTo, settled, topicOf } from './group-events.fixture.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

// What becomes of a group is told to those, too, who follow one that is below it, however far.

let sockets: TestSockets;
let one: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  one = await sockets.instance();
});
test.after.always(() => sockets?.close());
test.afterEach.always(() => {
  sockets.authIsAway = false;
});

const connect = (me: string): Promise<TestClient> => TestClient.open(one.url, sockets.token(me));

async function following(groupId: string) {
  const me = randomUUID();
  sockets.allow(me, groupId, 'group.read');
  const client = await connect(me);
  await client.subscribe([topicOf(groupId)]);
  return { me, client };
}

for (const change of ['moved', 'archived', 'restored'] as const) {
  test.serial(
    `that a group was ${change} is told once in the topics of those below it, without saying which it was`,
    async (t) => {
      const above = randomUUID();
      const below = Array.from({ length: 5 }, () => randomUUID());
      sockets.below.set(above, below);
      const clients = await Promise.all(below.map(async (groupId) => (await following(groupId)).client));
      const { client: beside } = await following(randomUUID());
      const event = groupEvent(change, above, 7, { parentId: randomUUID() });
      await sockets.say(event);
      await sockets.say(event);
      for (const [at, client] of clients.entries()) {
        await heard(client, 1);
        await settled(client);
        const groupId = below[at] ?? '';
        t.deepEqual(
          saidTo(client).map((frame) => ({ ...frame, cursor: '' })),
          [{ type: 'group', topic: topicOf(groupId), cursor: '', change: 'updated', groupId }],
        );
        t.false(JSON.stringify(client.frames).includes(above));
      }
      await settled(beside);
      t.deepEqual(heardBy(beside), []);
    },
  );
}

test.serial('what of a group does not change those below it, is not told there', async (t) => {
  const [above, groupId] = [randomUUID(), randomUUID()];
  sockets.below.set(above, [groupId]);
  const { client } = await following(groupId);
  for (const [version, change] of (['created', 'updated', 'deleted'] as const).entries())
    await sockets.say(groupEvent(change, above, version + 1));
  await settled(client);
  t.deepEqual(heardBy(client), []);
});

test.serial('it is written only where somebody follows, or may come back; and who comes back gets it', async (t) => {
  const [above, groupId, unheard] = [randomUUID(), randomUUID(), randomUUID()];
  sockets.below.set(above, [groupId, unheard]);
  const { me, client } = await following(groupId);
  const cursor = client.of('subscribed')[0]?.cursors[topicOf(groupId)];
  client.drop();
  await sockets.say(groupEvent('archived', above, 2));
  t.is(await sockets.redis.exists(`${sockets.prefix}ws:topic:${topicOf(unheard)}`), 0);
  const again = await connect(me);
  await resume(again, groupId, cursor);
  await heard(again, 1);
  t.deepEqual(heardBy(again), ['group updated no version']);
});

test.serial('while Auth does not say what is below, it is tried again, and nothing is told twice', async (t) => {
  const [above, groupId] = [randomUUID(), randomUUID()];
  sockets.below.set(above, [groupId]);
  const [{ client }, { client: leading }] = [await following(groupId), await following(above)];
  sockets.authIsAway = true;
  const event = groupEvent('archived', above, 2);
  await t.throwsAsync(sockets.say(event), { code: 'STORE_UNAVAILABLE' });
  sockets.authIsAway = false;
  await sockets.say(event);
  await heard(client, 1);
  await settled(leading);
  t.deepEqual([heardBy(client), heardBy(leading)], [['group updated no version'], ['group archived 2']]);
});

import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Tie } from '#proto/musubi/group/v1/group.ts';
import { TestClient } from './client.fixture.ts';
import { candidacyEvent, groupEvent, settled, topicOf } from './group-events.fixture.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

// What becomes of requests and invitations: who hears what of it.

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  one = await sockets.instance();
  two = await sockets.instance();
});
test.after.always(() => sockets?.close());

const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));

/** What a client was told of candidates, and of what its own member is. */
const toldOf = (client: TestClient): string[] => client.of('candidate').map(({ of, change }) => `${of} ${change}`);
const toldOfIts = (client: TestClient): string[] => client.of('candidacy').map(({ of, change }) => `${of} ${change}`);

type Change = [was: Tie, is: Parameters<typeof candidacyEvent>[4]];
const CHANGES: Record<string, { change: Change; group: string[]; own: string[] }> = {
  'it asks': { change: ['TIE_UNSPECIFIED', 'TIE_REQUESTED'], group: ['request made'], own: ['request made'] },
  'it is let in': { change: ['TIE_REQUESTED', 'TIE_MEMBER'], group: ['request ended'], own: ['request admitted'] },
  'it is not let in': { change: ['TIE_REQUESTED', 'TIE_DECLINED'], group: ['request ended'], own: ['request declined'] },
  'it withdraws': { change: ['TIE_REQUESTED', 'TIE_UNSPECIFIED'], group: ['request ended'], own: ['request ended'] },
  'it asks again': { change: ['TIE_DECLINED', 'TIE_REQUESTED'], group: ['request made'], own: ['request made'] },
  'it has what was declined forgotten': { change: ['TIE_DECLINED', 'TIE_UNSPECIFIED'], group: [], own: ['request ended'] },
  'it is invited': { change: ['TIE_UNSPECIFIED', 'TIE_INVITED'], group: ['invitation made'], own: ['invitation made'] },
  'it is invited after it was declined': {
    change: ['TIE_DECLINED', 'TIE_INVITED'],
    group: ['invitation made'],
    own: ['request ended', 'invitation made'],
  },
  'it accepts': { change: ['TIE_INVITED', 'TIE_MEMBER'], group: ['invitation ended'], own: ['invitation admitted'] },
  'its invitation ends': { change: ['TIE_INVITED', 'TIE_UNSPECIFIED'], group: ['invitation ended'], own: ['invitation ended'] },
  'it joins': { change: ['TIE_UNSPECIFIED', 'TIE_MEMBER'], group: [], own: [] },
  'it leaves': { change: ['TIE_MEMBER', 'TIE_UNSPECIFIED'], group: [], own: [] },
  'what was declined is told again': { change: ['TIE_UNSPECIFIED', 'TIE_DECLINED'], group: [], own: [] },
};

for (const [name, { change, group, own }] of Object.entries(CHANGES)) {
  test(`when ${name}, that is told once to those concerned, and nothing of what was said`, async (t) => {
    const [leader, me, groupId] = [randomUUID(), randomUUID(), randomUUID()];
    sockets.allow(leader, groupId);
    const leading = await connect(leader, two);
    await leading.subscribe([topicOf(groupId)]);
    const [client, there] = [await connect(me), await connect(me, two)];
    for (const each of [client, there]) await each.subscribe([]);
    const event = candidacyEvent(groupId, me, 1, ...change);
    await sockets.say(event);
    await sockets.say(event, groupEvent('updated', groupId, 2));
    await leading.count('group', 1);
    for (const each of [client, there]) {
      await each.count('candidacy', own.length);
      await settled(each);
      t.deepEqual(toldOfIts(each), own);
      t.true(each.of('candidacy').every((frame) => frame.groupId === groupId && frame.topic === 'member:me'));
    }
    t.deepEqual(toldOf(leading), group);
    t.true(leading.of('candidate').every((frame) => frame.groupId === groupId && frame.memberId === me));
    t.deepEqual([leading.of('candidacy'), client.of('candidate')], [[], []]);
    for (const each of [leading, client, there]) {
      t.false(JSON.stringify(each.frames).includes('a secret'));
      each.drop();
    }
  });
}

test('who asks and who is invited is told to those who may read the list of these, and find that one in it', async (t) => {
  const [me, groupId] = [randomUUID(), randomUUID()];
  const watch = async (...actions: Parameters<typeof sockets.allow>[2][]): Promise<TestClient> => {
    const who = randomUUID();
    sockets.allow(who, groupId, 'group.read', ...actions);
    const client = await connect(who);
    await client.subscribe([topicOf(groupId)]);
    return client;
  };
  const [reader, ofMembers] = [await watch(), await watch('group.list-members', 'position.list')];
  const [ofRequests, ofInvitations] = [await watch('group.list-requests'), await watch('group.list-invitations')];
  const blind = randomUUID();
  sockets.allow(blind, groupId);
  sockets.withheld.add(`${blind} member.list ${me}`);
  const blinded = await connect(blind);
  await blinded.subscribe([topicOf(groupId)]);
  const other = randomUUID();
  await sockets.say(candidacyEvent(groupId, me, 1, 'TIE_UNSPECIFIED', 'TIE_REQUESTED'));
  await sockets.say(candidacyEvent(groupId, me, 2, 'TIE_REQUESTED', 'TIE_UNSPECIFIED'));
  await sockets.say(candidacyEvent(groupId, me, 3, 'TIE_UNSPECIFIED', 'TIE_INVITED'));
  await sockets.say(candidacyEvent(groupId, other, 1, 'TIE_UNSPECIFIED', 'TIE_INVITED'));
  await sockets.say(groupEvent('updated', groupId, 2));
  for (const client of [reader, ofMembers, ofRequests, ofInvitations, blinded]) {
    await client.count('group', 1);
    await settled(client);
  }
  t.deepEqual([toldOf(reader), toldOf(ofMembers)], [[], []]);
  t.deepEqual(toldOf(ofRequests), ['request made', 'request ended']);
  t.deepEqual(toldOf(ofInvitations), ['invitation made', 'invitation made']);
  t.deepEqual(
    blinded.of('candidate').map(({ memberId }) => memberId),
    [other],
  );
});

test('who may not read its own list hears nothing of it', async (t) => {
  const [me, groupId] = [randomUUID(), randomUUID()];
  sockets.withheld.add(`${me} member.list-requests ${me}`);
  const client = await connect(me);
  await client.subscribe([]);
  await sockets.say(candidacyEvent(groupId, me, 1, 'TIE_UNSPECIFIED', 'TIE_REQUESTED'));
  await sockets.say(candidacyEvent(groupId, me, 2, 'TIE_REQUESTED', 'TIE_UNSPECIFIED'));
  await sockets.say(candidacyEvent(groupId, me, 3, 'TIE_UNSPECIFIED', 'TIE_INVITED'));
  await client.count('candidacy', 1);
  t.deepEqual(toldOfIts(client), ['invitation made']);
});

test('who was away gets it with its cursor, in order with its jobs; before the first subscribe it comes without one', async (t) => {
  const [me, groupId] = [randomUUID(), randomUUID()];
  const first = await connect(me);
  const cursor = await first.subscribe([]);
  first.drop();
  await sockets.deliver(sockets.job(me));
  await sockets.say(candidacyEvent(groupId, me, 1, 'TIE_UNSPECIFIED', 'TIE_INVITED'));
  const client = await connect(me, two);
  client.send({ type: 'subscribe', topics: [], cursor });
  await client.count('candidacy', 1);
  t.deepEqual(
    client.frames.map(({ type }) => type).filter((type) => type !== 'subscribed'),
    ['job', 'candidacy'],
  );
  t.truthy(client.of('candidacy')[0]?.cursor);
  const fresh = await connect(me);
  await settled(fresh);
  await sockets.say(candidacyEvent(groupId, me, 2, 'TIE_INVITED', 'TIE_MEMBER'));
  await fresh.count('candidacy', 1);
  t.false('cursor' in (fresh.of('candidacy')[0] ?? {}));
});

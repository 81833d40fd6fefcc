import { randomUUID } from 'node:crypto';
import test from 'ava';
import { unavailable } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
import type { ListGroupsBelowRequest } from '#proto/musubi/auth/v1/auth.ts';
import { TestClient } from './client.fixture.ts';
import { groupTopic } from './domain.ts';
import { groupEvent, heardBy } from './group-events.fixture.ts';
import { websocketHandlers } from './grpc.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

// Where permissions have changed in one group, and below it, those ask Auth again who follow one of these, and nobody else.

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  const limits = { pingMs: 3_600_000 };
  one = await sockets.instance({ limits });
  two = await sockets.instance({ limits });
});
test.after.always(() => sockets?.close());
test.afterEach.always(() => {
  sockets.decidedMany = async () => undefined;
});

/** The group that each group is in. */
const parents = new Map<string, string>();
const isBelow = (id: string, groupId: string): boolean => {
  const parentId = parents.get(id);
  return parentId !== undefined && (parentId === groupId || isBelow(parentId, groupId));
};

/** What Auth says of groups, two at once; `asked` says of how much. */
function authOf(isAway = false) {
  const auth = {
    asked: [] as ListGroupsBelowRequest[],
    async listGroupsBelow(request: ListGroupsBelowRequest) {
      const { groupId, afterId } = request;
      auth.asked.push(request);
      if (isAway) throw unavailable('STORE_UNAVAILABLE', 'the store is away');
      const below = [...parents.keys()].filter((id) => isBelow(id, groupId) && id > afterId).sort();
      return { groupIds: below.slice(0, 2), parentId: parents.get(groupId) };
    },
  };
  return auth;
}

async function narrow(groupId: string, { leftParentId, auth = authOf() }: { leftParentId?: string; auth?: object } = {}) {
  const { narrowSockets } = websocketHandlers(sockets.store, auth as ReturnType<typeof authOf>);
  await narrowSockets({ operationId: '', group: { groupId, leftParentId } }, undefined as never);
}

function made(parentId = 'root'): string {
  const groupId = randomUUID();
  parents.set(groupId, parentId);
  return groupId;
}

async function following(groupId: string, at = one) {
  const me = randomUUID();
  sockets.allow(me, groupId);
  const client = await TestClient.open(at.url, sockets.token(me));
  await client.subscribe([groupTopic(groupId)]);
  return { me, client };
}

const ends = (client: TestClient) => client.of('unsubscribed').map(({ topics, code }) => ({ topics, code }));
const revoked = (groupId: string) => ({ topics: [groupTopic(groupId)], code: 'PERMISSION_REVOKED' });

/** Which of these were asked about by `work`: each is forbidden all before, so whoever asks loses it. */
async function askedBy(work: () => Promise<void>, ...those: { groupId: string; me: string; client: TestClient }[]) {
  for (const { me, groupId } of those) sockets.forbid(me, groupId);
  const before = sockets.decisions.many;
  await work();
  const asked = sockets.decisions.many - before;
  await sockets.say(...those.map(({ groupId }, at) => groupEvent('updated', groupId, 100 + at)));
  for (const { client } of those) await client.until(() => client.of('unsubscribed').length + client.of('group').length > 0);
  return {
    asked,
    lost: those.map(({ client, groupId }) => ends(client).some(({ topics }) => topics.includes(groupTopic(groupId)))),
  };
}

test.serial('asked are those who follow the group, what is below it, and what it is or was in; nobody else is', async (t) => {
  const [left, entered, beside] = [made(), made(), made()];
  const moved = made(entered);
  const below = made(made(moved));
  const sibling = made(entered);
  const ids = [moved, below, entered, left, beside, sibling];
  const those = await Promise.all(
    ids.map(async (groupId, at) => ({ groupId, ...(await following(groupId, at % 2 ? one : two)) })),
  );
  const { asked, lost } = await askedBy(() => narrow(moved, { leftParentId: left }), ...those);
  t.deepEqual(lost, [true, true, true, true, false, false]);
  t.is(asked, 4);
  t.deepEqual(heardBy(those[1]?.client as TestClient), [], 'nothing is sent by what Auth had allowed');
});

test.serial('a group is moved out of the whole organisation, too, which has no ID as others have', async (t) => {
  const groupId = made();
  const it = { groupId, ...(await following(groupId)) };
  t.deepEqual((await askedBy(() => narrow(groupId, { leftParentId: 'root' }), it)).lost, [true]);
  await t.throwsAsync(narrow('no ID'), { code: 'INVALID_ARGUMENT' });
});

test.serial('where Auth does not know the group, or does not answer, all are asked', async (t) => {
  for (const auth of [authOf(true), authOf()]) {
    const groupId = made();
    const it = { groupId, ...(await following(groupId)) };
    const { lost } = await askedBy(() => narrow(randomUUID(), { auth }), it);
    t.deepEqual(lost, [true]);
    t.deepEqual(ends(it.client), [revoked(groupId)]);
  }
});

test.serial('what is being subscribed to on what Auth has said before, is not followed by it', async (t) => {
  const groupId = made();
  const me = randomUUID();
  sockets.allow(me, groupId);
  const client = await TestClient.open(one.url, sockets.token(me));
  const [held, decided] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  sockets.decidedMany = () => {
    decided.resolve();
    return held.promise;
  };
  client.send({ type: 'subscribe', topics: [groupTopic(groupId)] });
  await decided.promise;
  sockets.decidedMany = async () => undefined;
  sockets.forbid(me, groupId);
  // Somebody else follows something: it is not for nobody that it is looked for.
  await following(made());
  await narrow(groupId);
  held.resolve();
  const [subscribed] = await client.count('subscribed', 1);
  t.deepEqual(subscribed?.topics, []);
  t.deepEqual(
    client.of('error').map(({ code }) => code),
    ['GROUP_NOT_FOUND'],
  );
});

test.serial('a renewed token keeps a member among those who follow a group', async (t) => {
  const groupId = made();
  const { me, client } = await following(groupId);
  await sockets.redis.del(`${sockets.prefix}ws:group:${groupId}`);
  client.send({ type: 'auth', token: sockets.token(me, 3_600) });
  await client.until(async () => (await sockets.store.followersOf([groupId])).includes(me));
  t.deepEqual((await askedBy(() => narrow(groupId), { groupId, me, client })).lost, [true]);
});

test.serial('of many groups below, all who follow one are found; where nobody follows anything, Auth is not asked', async (t) => {
  const groupId = made();
  const below = Array.from({ length: 5 }, () => made(groupId));
  const those = await Promise.all(below.map(async (id) => ({ groupId: id, ...(await following(id)) })));
  const auth = authOf();
  const { lost } = await askedBy(() => narrow(groupId, { auth }), ...those);
  t.deepEqual(lost, [true, true, true, true, true]);
  t.is(auth.asked.length, 4, 'page by page');

  const quiet = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  t.teardown(() => quiet.close());
  const unasked = authOf();
  const { narrowSockets } = websocketHandlers(quiet.store, unasked);
  await narrowSockets({ operationId: '', group: { groupId, leftParentId: undefined } }, undefined as never);
  t.deepEqual(unasked.asked, []);
  await quiet.store.subscribe({ groupIds: ['short'] }, randomUUID(), 1);
  await until(async () => !(await quiet.store.isAnythingFollowed()), 'it is followed no more');
});

import test from 'ava';
import { Secret } from '#platform/process/config.ts';
import { until } from '#platform/until.fixture.ts';
import { newId } from '#platform/validation/id.ts';
import { inSync, type OwnRedisCluster, ownRedisCluster } from '../../test/own-redis-cluster.ts';
import { type Chat, call, openChat } from './chat.fixture.ts';

// On a cluster of its own, of which a node is lost before its replica had all that it answered.

let cluster: OwnRedisCluster;
let chat: Chat;
test.before(async () => {
  cluster = await ownRedisCluster({ replicas: 1 });
  chat = await openChat('loss', new Secret(cluster.url));
});
test.after.always(async () => {
  await chat.close();
  await cluster.stop();
});

/** A room on the first node. */
async function roomOnFirst(...members: string[]): Promise<string> {
  for (;;) {
    const roomId = await chat.room(...members);
    const isHere = await cluster.nodes[0]?.client.exists(chat.redis.of(roomId).key(`room:${roomId}`)).catch(() => 0);
    if (isHere) return roomId;
  }
}

async function settled<T>(work: () => Promise<T>): Promise<T> {
  let found: { value: T } | undefined;
  await until(async () => {
    found = await work().then(
      (value) => ({ value }),
      () => undefined,
    );
    return found !== undefined;
  }, 'the cluster has settled');
  return (found as unknown as { value: T }).value;
}

test.serial(
  'where Redis lost messages, no number and no version is given twice, and the history says which numbers nobody has',
  async (t) => {
    const [master, , , replica] = cluster.nodes;
    const [taro, jiro] = [newId(), newId()];
    const roomId = await roomOnFirst(taro, jiro);
    const first = await chat.post(roomId, taro, 'Number 1');
    await chat.post(roomId, taro, 'Number 2');
    if (replica) await inSync(replica);
    await replica?.client.readonly();
    const log = chat.redis.of(roomId).key(`room:${roomId}:log`);
    await until(async () => (await replica?.client.hget(log, 'last')) === '2');
    await replica?.kill();
    const edit = (text: string) =>
      chat.handlers.editMessage(
        { roomId, memberId: taro, messageId: first.messageId, text, expectedVersion: undefined },
        call as never,
      );
    const lostEdit = await edit('Lost');
    const lost = [await chat.post(roomId, taro, 'Number 3'), await chat.post(roomId, jiro, 'Number 4')];
    await master?.kill();
    await replica?.start();
    await settled(async () => replica?.client.call('CLUSTER', 'FAILOVER', 'TAKEOVER'));

    const next = await settled(() => chat.post(roomId, taro, 'After'));
    t.true(next.sequence > Math.max(...lost.map(({ sequence }) => sequence)));
    const { messages, gaps, last } = await chat.list(roomId, jiro);
    t.deepEqual(gaps, [{ first: 3, last: 10_002 }]);
    t.deepEqual(
      messages.map(({ sequence, text }) => [sequence, text]),
      [
        [10_003, 'After'],
        [2, 'Number 2'],
        [1, 'Number 1'],
      ],
    );
    t.is(last, 10_003);
    t.deepEqual(
      (await chat.list(roomId, jiro, { after: 1 })).messages.map(({ sequence }) => sequence),
      [2, 10_003],
    );
    // An edit that readers may know of is followed by a newer version.
    t.true(((await edit('Mended')).message?.version ?? 0) > (lostEdit.message?.version ?? 0));
    t.true((await chat.post(roomId, taro, 'And on')).sequence === 10_004);
    // What was lost does not count as unread.
    t.like((await chat.handlers.listUnread({ memberId: jiro }, call as never)).rooms, [{ roomId, count: 4, read: 0 }]);
    t.deepEqual(await chat.handlers.markRead({ roomId, memberId: jiro, sequence: 2 }, call as never), { sequence: 2, unread: 2 });
  },
);

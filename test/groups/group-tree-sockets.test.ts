import test from 'ava';
import { admin } from '../client.ts';
import type { Socket } from '../socket.ts';
import { done, follow, make, saidTo, someone, topicOf, wait } from './followers.ts';

// Who follows a group hears what becomes of it and of those above it.

test('who follows a group hears that it was archived, restored and moved; of a move also who follows what it left, or came into', async (t) => {
  const leader = await someone(await admin());
  const [from, to] = [await make(t, leader), await make(t, leader)];
  const groupId = await make(t, leader, { parentId: from });
  const [own, left, entered] = [await follow(t, leader, groupId), await follow(t, leader, from), await follow(t, leader, to)];
  for (const [what, body] of [['archive'], ['restore'], ['move', { parentId: to }]] as const)
    await done(t, leader.client.post(`/v1/groups/${groupId}:${what}`, body, wait));
  for (const socket of [own, left, entered]) await socket.frame(({ change }) => change === 'moved');
  const told = (socket: Socket, topic: string, ...versions: [change: string, version: number][]) =>
    t.deepEqual(
      saidTo(socket).map((frame) => ({ ...frame, cursor: '' })),
      versions.map(([change, version]) => ({ type: 'group', topic: topicOf(topic), cursor: '', change, groupId, version })),
    );
  told(own, groupId, ['archived', 2], ['restored', 3], ['moved', 4]);
  told(left, from, ['moved', 4]);
  told(entered, to, ['moved', 4]);
  for (const socket of [own, left, entered]) await socket.close();
});

test('who follows a group hears that one above it was archived, restored or moved, and is out of it when that is deleted', async (t) => {
  const as = await admin();
  const [leader, one] = [await someone(as), await someone(as)];
  const [top, place] = [await make(t, leader), await make(t, leader)];
  const middle = await make(t, leader, { parentId: top, visibility: 'invitation' });
  const groupId = await make(t, leader, { parentId: middle });
  const socket = await follow(t, one, groupId);
  const { client } = leader;
  const ways = [
    () => client.post(`/v1/groups/${top}:archive`, undefined, wait),
    () => client.post(`/v1/groups/${top}:restore`, undefined, wait),
    () => client.post(`/v1/groups/${top}:move`, { parentId: place }, wait),
  ];
  for (const [count, way] of ways.entries()) {
    await done(t, way());
    await socket.frame((frame) => saidTo(socket).indexOf(frame) === count);
  }
  t.deepEqual(
    saidTo(socket).map((frame) => ({ ...frame, cursor: '' })),
    ways.map(() => ({ type: 'group', topic: topicOf(groupId), cursor: '', change: 'updated', groupId })),
  );
  await done(t, client.delete(`/v1/groups/${top}?cascade=true`, wait));
  t.like(await socket.frame(({ type }) => type === 'unsubscribed'), { topics: [topicOf(groupId)], code: 'PERMISSION_REVOKED' });
  t.false(JSON.stringify(socket.frames).includes(middle));
  const { body } = await as.get(`/v1/audit-events?action=group.delete&pageSize=100`);
  const event = body.items.find(({ resources }: { resources: { id: string }[] }) => resources[0]?.id === top);
  t.is(event?.count, 3);
  t.deepEqual(
    event?.resources.map(({ id }: { id: string }) => id),
    [top, middle, groupId],
  );
  await socket.close();
});

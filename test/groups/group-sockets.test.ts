import test, { type ExecutionContext } from 'ava';
import { admin, type Client, unique } from '../client.ts';
import { type Started, startProgram } from '../processes.ts';
import { type Frame, Socket } from '../socket.ts';
import {
  done,
  follow as followHere,
  make,
  member,
  rename,
  type Someone,
  saidTo,
  settled,
  someone,
  topicOf,
  wait,
} from './followers.ts';

// Who follows a group hears of what changes in it, at whichever node its socket is; and hears nothing once it is acknowledged that it may not.

let other: Started;
test.before(async () => {
  other = await startProgram('websocket');
});
test.after.always(() => other?.stop());

const urlOf = ({ ports }: Started): string => `ws://127.0.0.1:${ports.http}/v1/events`;
const follow = (t: ExecutionContext, one: Someone, groupId: string): Promise<Socket> => followHere(t, one, groupId, urlOf(other));

test('a member hears at another node what is made, who comes and who is bound; who may not see the group is refused', async (t) => {
  const as = await admin();
  const [leader, one, two, stranger] = [await someone(as), await someone(as), await someone(as), await someone(as)];
  const groupId = await make(t, leader, { visibility: 'invitation' });
  await done(t, leader.client.put(member(groupId, one), undefined, wait));
  const socket = await follow(t, one, groupId);
  const here = await followHere(t, leader, groupId);

  const refused = await Socket.open(stranger.client.token, urlOf(other));
  refused.send({ type: 'subscribe', topics: [topicOf(groupId)] });
  t.like(await refused.frame(({ type }) => type === 'error'), { topic: topicOf(groupId), code: 'GROUP_NOT_FOUND' });

  const hidden = await make(t, leader, { parentId: groupId, visibility: 'invitation' });
  const inner = await make(t, leader, { parentId: groupId });
  t.like(await socket.frame(({ change }) => change === 'created'), { type: 'group', topic: topicOf(groupId), groupId: inner });
  await here.frame(({ groupId: id }) => id === hidden);
  await done(t, leader.client.put(member(groupId, two), undefined, wait));
  await socket.frame(({ type, memberId }) => type === 'membership' && memberId === two.memberId);
  const { body: positions } = await leader.client.get(`/v1/groups/${groupId}/positions`);
  const leading = positions.items.find(({ kind }: { kind?: string }) => kind === 'leader').id;
  await done(t, leader.client.put(`/v1/groups/${groupId}/positions/${leading}/members/${two.memberId}`, undefined, wait));
  await socket.frame(({ type, memberId }) => type === 'bindings' && memberId === two.memberId);
  await done(t, leader.client.patch(`/v1/groups/${groupId}/positions/${leading}`, { name: unique('Led') }, wait));
  await socket.frame(({ type, change }) => type === 'position' && change === 'updated');
  await done(t, leader.client.delete(`/v1/groups/${inner}`, wait));
  t.like(await socket.frame(({ change }) => change === 'deleted'), { type: 'group', groupId: undefined });
  await settled(refused);
  t.deepEqual(saidTo(refused), []);
  t.false(JSON.stringify(socket.frames).includes(hidden), 'not even that it is there');
  t.is(new Set(saidTo(socket).map(({ cursor }) => cursor)).size, saidTo(socket).length, 'each once');
  for (const each of [socket, here, refused]) await each.close();
});

/** How somebody comes to see a group no more. */
const WAYS: Record<
  string,
  { isMember: boolean; end: (t: ExecutionContext, leader: Someone, groupId: string, one: Someone) => Promise<unknown> }
> = {
  'it was expelled': {
    isMember: true,
    end: (t, { client }, groupId, one) => done(t, client.post(`${member(groupId, one)}:expel`, { reason: 'a secret' }, wait)),
  },
  'it has left': { isMember: true, end: (t, _, groupId, one) => done(t, one.client.delete(member(groupId, one), wait)) },
  'only who is invited finds the group': {
    isMember: false,
    end: (t, { client }, groupId) => done(t, client.patch(`/v1/groups/${groupId}`, { visibility: 'invitation' }, wait)),
  },
  'the position of all its members permits it no more': {
    isMember: true,
    end: async (t, { client }, groupId) => {
      const { body } = await client.get(`/v1/groups/${groupId}/positions`);
      const { id } = body.items.find(({ kind }: { kind?: string }) => kind === 'member');
      await done(t, client.patch(`/v1/groups/${groupId}/positions/${id}`, { permissions: [] }, wait));
    },
  },
  'the group is deleted': {
    isMember: true,
    end: (t, { client }, groupId) => done(t, client.delete(`/v1/groups/${groupId}`, wait)),
  },
};

for (const [way, { isMember, end }] of Object.entries(WAYS)) {
  test(`who follows a group hears nothing of it once it is acknowledged that ${way}, but that it may not`, async (t) => {
    const as = await admin();
    const [leader, one] = [await someone(as), await someone(as)];
    const groupId = await make(t, leader, isMember ? { visibility: 'invitation' } : {});
    if (isMember) await done(t, leader.client.put(member(groupId, one), undefined, wait));
    const sockets = [await follow(t, one, groupId), await followHere(t, one, groupId)];
    const leading = await follow(t, leader, groupId);
    await end(t, leader, groupId, one);
    const heard = new Map<Socket, number>();
    for (const socket of sockets) {
      await settled(socket);
      const ends = socket.frames.filter(({ type }) => type === 'unsubscribed');
      t.deepEqual(
        ends.map(({ topics, code }) => ({ topics, code })),
        [{ topics: [topicOf(groupId)], code: 'PERMISSION_REVOKED' }],
      );
      heard.set(socket, saidTo(socket).length);
    }
    if (way !== 'the group is deleted') {
      const before = saidTo(leading).length;
      await rename(t, leader, groupId);
      await leading.frame((frame) => frame.change === 'updated' && leading.frames.indexOf(frame) >= before);
    }
    // Something that comes after it on the same way.
    const last = await make(t, one);
    for (const socket of sockets) socket.send({ type: 'subscribe', topics: [topicOf(last)] });
    for (const socket of sockets) await socket.frame(({ topics }) => topics?.includes(topicOf(last)) ?? false);
    await rename(t, one, last);
    for (const socket of sockets) {
      await socket.frame(({ topic }) => topic === topicOf(last));
      t.is(saidTo(socket).filter(({ topic }) => topic === topicOf(groupId)).length, heard.get(socket) ?? 0);
      t.false(JSON.stringify(socket.frames).includes('a secret'));
    }
    for (const each of [...sockets, leading]) await each.close();
  });
}

/** How somebody comes to see a group no more that it saw by what it holds in the one above. */
const FROM_ABOVE: Record<
  string,
  (t: ExecutionContext, as: Client, made: { above: string; positionId: string; within: string }) => Promise<unknown>
> = {
  'its position above permits it no more': (t, as, { above, positionId }) =>
    done(t, as.patch(`/v1/groups/${above}/positions/${positionId}`, { permissions: [] }, wait)),
  'what the group is in is moved away from there': async (t, as, { within }) => {
    const elsewhere = await done(t, as.post('/v1/groups', { name: unique('Elsewhere') }, wait));
    await done(t, as.post(`/v1/groups/${within}:move`, { parentId: elsewhere }, wait));
  },
};

for (const [way, end] of Object.entries(FROM_ABOVE)) {
  test(`who follows a group by what it holds above hears nothing of it once it is acknowledged that ${way}`, async (t) => {
    const as = await admin();
    const [leader, one] = [await someone(as), await someone(as)];
    const above = await make(t, leader, { visibility: 'invitation' });
    const within = await make(t, leader, { parentId: above, visibility: 'invitation' });
    const groupId = await make(t, leader, { parentId: within, visibility: 'invitation' });
    await done(t, leader.client.put(member(above, one), undefined, wait));
    const permissions = [{ action: 'group.read', reach: 'subtree' }];
    const positionId = await done(t, leader.client.post(`/v1/groups/${above}/positions`, { name: 'Reader', permissions }, wait));
    await done(t, leader.client.put(`/v1/groups/${above}/positions/${positionId}/members/${one.memberId}`, undefined, wait));
    const [socket, leading] = [await follow(t, one, groupId), await followHere(t, leader, groupId)];
    await end(t, as, { above, positionId, within });
    await settled(socket);
    const ends = socket.frames.filter(({ type }) => type === 'unsubscribed');
    t.deepEqual(
      ends.map(({ topics, code }) => ({ topics, code })),
      [{ topics: [topicOf(groupId)], code: 'PERMISSION_REVOKED' }],
    );
    await rename(t, leader, groupId);
    await leading.frame(({ change }) => change === 'updated');
    await settled(socket);
    t.deepEqual(saidTo(socket), []);
    for (const each of [socket, leading]) await each.close();
  });
}

test('who comes back after a restart of its node gets what it missed, once, and of each group in order', async (t) => {
  const as = await admin();
  const leader = await someone(as);
  const groupId = await make(t, leader);
  let node = await startProgram('websocket');
  t.teardown(() => node.stop());
  const first = await followHere(t, leader, groupId, urlOf(node));
  await rename(t, leader, groupId);
  const { cursor = '' } = await first.frame(({ type }) => type === 'group');
  await node.stop();
  const inner = await make(t, leader, { parentId: groupId });
  await rename(t, leader, groupId);
  node = await startProgram('websocket');
  const second = await Socket.open(leader.client.token, urlOf(node));
  second.send({ type: 'subscribe', topics: [topicOf(groupId)], cursors: { [topicOf(groupId)]: cursor } });
  t.is((await second.frame(({ type }) => type === 'subscribed')).cursors?.[topicOf(groupId)], cursor);
  await second.frame(({ change }) => change === 'updated');
  await rename(t, leader, groupId);
  await second.frame((frame) => saidTo(second).indexOf(frame) === 2);
  const said = saidTo(second);
  const changesOf = (id: string): unknown[] => said.filter((frame) => frame.groupId === id).map(({ change }) => change);
  // What is of two groups may change places: a partition of the log is in order, several are not.
  t.deepEqual([changesOf(inner), changesOf(groupId)], [['created'], ['updated', 'updated']]);
  t.is(new Set([cursor, ...said.map((frame) => frame.cursor)]).size, 4, 'each once, and what it had not again');
  await second.close();
});

test('who comes into a group is told nothing of before, whatever cursor it brings', async (t) => {
  const as = await admin();
  const [leader, one] = [await someone(as), await someone(as)];
  const groupId = await make(t, leader, { visibility: 'invitation' });
  const leading = await follow(t, leader, groupId);
  const cursor = leading.frames.find(({ type }) => type === 'subscribed')?.cursors?.[topicOf(groupId)] ?? '';
  await rename(t, leader, groupId);
  await leading.frame(({ change }) => change === 'updated');
  await done(t, leader.client.put(member(groupId, one), undefined, wait));
  const socket = await Socket.open(one.client.token, urlOf(other));
  socket.send({ type: 'subscribe', topics: [topicOf(groupId)], cursors: { [topicOf(groupId)]: cursor } });
  await socket.frame(({ type, topic }) => type === 'reset' && topic === topicOf(groupId));
  const said = saidTo(socket).length;
  await rename(t, leader, groupId);
  await socket.frame(({ change }) => change === 'updated');
  t.is(saidTo(socket).filter(({ change }) => change === 'updated').length, 1);
  t.true(said <= 1, 'that it came in itself, at most');
  for (const each of [leading, socket]) await each.close();
});

test('who asks and who is invited hears what becomes of it; who may decide hears who waits', async (t) => {
  const as = await admin();
  const [leader, one] = [await someone(as), await someone(as)];
  const groupId = await make(t, leader, { visibility: 'request' });
  const leading = await follow(t, leader, groupId);
  const socket = await Socket.open(one.client.token, urlOf(other));
  socket.send({ type: 'subscribe', topics: [] });
  const path = `/v1/groups/${groupId}/join-requests`;
  await done(t, one.client.post(path, { message: 'a secret' }, wait));
  t.like(await leading.frame(({ type }) => type === 'candidate'), { change: 'made', of: 'request', memberId: one.memberId });
  await done(t, leader.client.post(`${path}/${one.memberId}:decline`, { reason: 'a secret' }, wait));
  t.like(await socket.frame(({ change }) => change === 'declined'), { type: 'candidacy', topic: 'member:me', groupId });
  await done(t, leader.client.post(`/v1/groups/${groupId}/invitations`, { memberId: one.memberId }, wait));
  await done(t, one.client.post(`/v1/groups/${groupId}/invitations/${one.memberId}:accept`, undefined, wait));
  await socket.frame(({ change }) => change === 'admitted');
  const inOrder = (frames: Frame[], type: string) =>
    frames.filter((frame) => frame.type === type).map((frame) => `${(frame as { of?: string }).of} ${frame.change}`);
  t.deepEqual(inOrder(socket.frames, 'candidacy'), [
    ...['request made', 'request declined', 'request ended', 'invitation made', 'invitation admitted'],
  ]);
  await leading.frame(({ type }) => type === 'membership');
  await leading.frame((frame) => frame.change === 'ended' && (frame as { of?: string }).of === 'invitation');
  t.deepEqual(inOrder(leading.frames, 'candidate'), ['request made', 'request ended', 'invitation made', 'invitation ended']);
  for (const each of [leading, socket]) {
    t.false(JSON.stringify(each.frames).includes('a secret'));
    await each.close();
  }
});

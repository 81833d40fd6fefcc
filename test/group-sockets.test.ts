import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { admin, type Client, login, register, unique } from './client.ts';
import { type Started, startProgram } from './processes.ts';
import { type Frame, Socket } from './socket.ts';

// Who follows a group hears of what changes in it, at whichever node its socket is; and hears nothing once it is acknowledged that it may not.

let other: Started;
test.before(async () => {
  other = await startProgram('websocket');
});
test.after.always(() => other?.stop());

const wait = { prefer: 'wait=30' };
const urlOf = ({ ports }: Started): string => `ws://127.0.0.1:${ports.http}/v1/events`;
const topicOf = (groupId: string): string => `group:${groupId}`;
const OF_GROUPS = new Set(['group', 'membership', 'position', 'bindings', 'candidate']);
const saidTo = (socket: Socket): Frame[] => socket.frames.filter(({ type }) => OF_GROUPS.has(type));

interface Someone {
  memberId: string;
  client: Client;
}

async function someone(as: Client): Promise<Someone> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

async function done(t: ExecutionContext, answer: Promise<{ status: number; body: any }>): Promise<string> {
  const { status, body } = await answer;
  t.true(status < 300 && status !== 202, `${status} ${JSON.stringify(body)}`);
  return body?.id;
}

const make = (t: ExecutionContext, { client }: Someone, body: object = {}): Promise<string> =>
  done(t, client.post('/v1/groups', { name: unique('Group'), ...body }, wait));
const rename = (t: ExecutionContext, { client }: Someone, groupId: string): Promise<string> =>
  done(t, client.patch(`/v1/groups/${groupId}`, { name: unique('Renamed') }, wait));
const member = (groupId: string, { memberId }: Someone): string => `/v1/groups/${groupId}/members/${memberId}`;

/** A socket that follows a group. */
async function follow(t: ExecutionContext, { client }: Someone, groupId: string, url = urlOf(other)): Promise<Socket> {
  const socket = await Socket.open(client.token, url);
  socket.send({ type: 'subscribe', topics: [topicOf(groupId)] });
  t.deepEqual((await socket.frame(({ type }) => type === 'subscribed')).topics, [topicOf(groupId)]);
  return socket;
}

/** Everything that was sent before is here. */
async function settled(socket: Socket): Promise<void> {
  const ref = randomUUID();
  socket.send({ type: 'ping', ref });
  await socket.frame((frame) => frame.type === 'pong' && frame.ref === ref);
}

test('a member hears at another node what is made, who comes and who is bound; who may not see the group is refused', async (t) => {
  const as = await admin();
  const [leader, one, two, stranger] = [await someone(as), await someone(as), await someone(as), await someone(as)];
  const groupId = await make(t, leader, { visibility: 'invitation' });
  await done(t, leader.client.put(member(groupId, one), undefined, wait));
  const socket = await follow(t, one, groupId);
  const here = await follow(t, leader, groupId, undefined);

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
    const sockets = [await follow(t, one, groupId), await follow(t, one, groupId, undefined)];
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
    const [socket, leading] = [await follow(t, one, groupId), await follow(t, leader, groupId, undefined)];
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
  const first = await follow(t, leader, groupId, urlOf(node));
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
  t.deepEqual(inOrder(leading.frames, 'candidate'), ['request made', 'request ended', 'invitation made', 'invitation ended']);
  for (const each of [leading, socket]) {
    t.false(JSON.stringify(each.frames).includes('a secret'));
    await each.close();
  }
});

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

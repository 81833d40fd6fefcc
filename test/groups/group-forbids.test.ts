import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { type Answer, admin, type Client, login, register, unique } from '../client.ts';
import { Socket } from '../socket.ts';

// What is given can take away, where a policy forbids something to those who have it; and who is in a group is told only to who may see its members.

const wait = { prefer: 'wait=30' };
const topicOf = (groupId: string): string => `group:${groupId}`;

interface Someone {
  memberId: string;
  client: Client;
}

async function someone(as: Client): Promise<Someone> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

async function done(t: ExecutionContext, answer: Promise<Answer>): Promise<string> {
  const { status, body } = await answer;
  t.true(status < 300 && status !== 202, `${status} ${JSON.stringify(body)}`);
  return body?.id;
}

const make = (t: ExecutionContext, { client }: Someone, body: object = {}): Promise<string> =>
  done(t, client.post('/v1/groups', { name: unique('Group'), ...body }, wait));
const rename = (t: ExecutionContext, { client }: Someone, groupId: string): Promise<string> =>
  done(t, client.patch(`/v1/groups/${groupId}`, { name: unique('Renamed') }, wait));
const membership = (groupId: string, { memberId }: Someone): string => `/v1/groups/${groupId}/members/${memberId}`;

/** Has a member hold a policy. */
async function give(t: ExecutionContext, as: Client, { memberId }: Someone, cedar: string): Promise<void> {
  const policyId = await done(t, as.post('/v1/policies', { name: unique('P'), cedar }, wait));
  const roleId = await done(t, as.post('/v1/roles', { name: unique('R') }, wait));
  await done(t, as.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined, wait));
  await done(t, as.put(`/v1/members/${memberId}/roles/${roleId}`, undefined, wait));
}

/** A round trip: what was sent before it has come. */
async function settled(socket: Socket): Promise<void> {
  const ref = randomUUID();
  socket.send({ type: 'ping', ref });
  await socket.frame((frame) => frame.type === 'pong' && frame.ref === ref);
}

interface Made {
  as: Client;
  leader: Someone;
  one: Someone;
  /** What it follows. */
  groupId: string;
  /** Another group, in which it comes to be something, and a position of that. */
  other: string;
  positionId: string;
}

/** How a member comes to be something, and what is forbidden to who is that. */
const WAYS: Record<
  string,
  {
    visibility?: string;
    isMember?: true;
    /** Of the other group; `principal in resource.…` is asked of the group itself. */
    who: (made: Made) => string;
    come: (t: ExecutionContext, made: Made) => Promise<unknown>;
  }
> = {
  'it is bound to a position': {
    isMember: true,
    who: ({ positionId }) => `principal in Musubi::Position::"${positionId}"`,
    // To one that a policy names, only an administrator binds others.
    come: (t, { as, one, other, positionId }) =>
      done(t, as.put(`/v1/groups/${other}/positions/${positionId}/members/${one.memberId}`, undefined, wait)),
  },
  'it has joined': {
    who: () => 'principal in resource.members',
    come: (t, { one, groupId }) => done(t, one.client.put(membership(groupId, one), undefined, wait)),
  },
  'it was added with others': {
    who: () => 'principal in resource.members',
    come: (t, { leader, one, groupId }) =>
      done(t, leader.client.post(`/v1/groups/${groupId}/members:add`, { memberIds: [randomUUID(), one.memberId] }, wait)),
  },
  'its request was approved': {
    visibility: 'request',
    who: () => 'principal in resource.members',
    async come(t, { leader, one, groupId }) {
      await done(t, one.client.post(`/v1/groups/${groupId}/join-requests`, undefined, wait));
      await done(t, leader.client.post(`/v1/groups/${groupId}/join-requests/${one.memberId}:approve`, undefined, wait));
    },
  },
  'it is invited': {
    visibility: 'request',
    who: () => 'principal in resource.invited',
    come: (t, { leader, one, groupId }) =>
      done(t, leader.client.post(`/v1/groups/${groupId}/invitations`, { memberId: one.memberId }, wait)),
  },
  'it leads the group in the place of who has left': {
    isMember: true,
    who: () => 'principal in resource.leaders',
    async come(t, { leader, one, groupId }) {
      await done(t, leader.client.put(membership(groupId, one), undefined, wait));
      await done(t, leader.client.delete(`${membership(groupId, leader)}?successorId=${one.memberId}`, wait));
    },
  },
};

for (const [way, { visibility = 'open', isMember, who, come }] of Object.entries(WAYS)) {
  test(`who follows a group hears nothing of it once it is acknowledged that ${way}, to whom that is forbidden`, async (t) => {
    const as = await admin();
    const [leader, one] = [await someone(as), await someone(as)];
    const [groupId, other] = [await make(t, leader, { visibility }), await make(t, leader)];
    const named = { name: unique('Position'), permissions: [] };
    const positionId = await done(t, leader.client.post(`/v1/groups/${other}/positions`, named, wait));
    const made: Made = { as, leader, one, groupId, other, positionId };
    if (isMember) await done(t, leader.client.put(membership(other, one), undefined, wait));
    const action = 'action in [Musubi::Action::"group.read", Musubi::Action::"group.list-members"]';
    await give(t, as, one, `forbid (principal, ${action}, resource == Musubi::Group::"${groupId}") when { ${who(made)} };`);

    const socket = await Socket.open(one.client.token);
    t.teardown(() => socket.close());
    const topic = topicOf(groupId);
    socket.send({ type: 'subscribe', topics: [topic] });
    t.deepEqual((await socket.frame(({ type }) => type === 'subscribed')).topics, [topic]);
    await rename(t, leader, groupId);
    await socket.frame(({ type, change }) => type === 'group' && change === 'updated');
    await come(t, made);
    await settled(socket);
    const ended = socket.frames.filter(({ type }) => type === 'unsubscribed');
    t.deepEqual(
      ended.map(({ topics, code }) => ({ topics, code })),
      [{ topics: [topic], code: 'PERMISSION_REVOKED' }],
    );
    const said = (): number => socket.frames.filter((frame) => frame.topic === topic).length;
    const heard = said();
    await rename(t, { ...leader, client: as }, groupId);
    // Something that comes after it on the same way.
    const last = await make(t, one);
    socket.send({ type: 'subscribe', topics: [topicOf(last)] });
    await socket.frame(({ topics }) => topics?.includes(topicOf(last)) ?? false);
    await rename(t, one, last);
    await socket.frame((frame) => frame.topic === topicOf(last));
    t.is(said(), heard);
  });
}

test('in which groups a member is, is told to itself, and of a group to those only who may see its members', async (t) => {
  const as = await admin();
  const [leader, one, fellow, stranger] = [await someone(as), await someone(as), await someone(as), await someone(as)];
  const groupId = await make(t, leader);
  for (const each of [one, fellow]) await done(t, leader.client.put(membership(groupId, each), undefined, wait));
  const lists = [`/v1/members/${one.memberId}/groups`, `/v1/groups?memberId=${one.memberId}`];
  const told = async ({ client }: Someone): Promise<string[][]> => {
    const answers = await Promise.all(lists.map((path) => client.get(path)));
    return answers.map(({ body }) => body.items.map(({ id }: { id: string }) => id).sort());
  };
  const [all, none] = [[groupId, 'root'].sort(), ['root']];
  t.is((await stranger.client.get(`/v1/groups/${groupId}`)).status, 200, 'the group is open');
  t.deepEqual(await told(stranger), [none, none]);
  const explained = `/v1/groups/${groupId}/permissions?memberId=${one.memberId}`;
  await give(t, as, stranger, `permit (principal, action == Musubi::Action::"position.list", resource);`);
  t.is((await stranger.client.get(explained)).status, 403);
  for (const each of [leader, one, fellow, { ...stranger, client: as }]) t.deepEqual(await told(each), [all, all]);
  t.is((await fellow.client.get(explained)).status, 200);
  // Not even to a fellow, where members do not see each other. It knows what it is in itself.
  const { body: positions } = await leader.client.get(`/v1/groups/${groupId}/positions`);
  const ofAll = positions.items.find(({ kind }: { kind?: string }) => kind === 'member').id;
  const permissions = ['group.read', 'group.list', 'position.list'].map((action) => ({ action, reach: 'here' }));
  await done(t, leader.client.patch(`/v1/groups/${groupId}/positions/${ofAll}`, { permissions }, wait));
  t.deepEqual(
    [await told(fellow), await told(one)],
    [
      [none, none],
      [all, all],
    ],
  );
  await give(
    t,
    as,
    stranger,
    `permit (principal, action == Musubi::Action::"group.list-members", resource == Musubi::Group::"${groupId}");`,
  );
  t.deepEqual(await told(stranger), [all, all]);
  const looks = {
    name: unique('P'),
    cedar: 'permit (principal, action == Musubi::Action::"group.list-members", resource) when { resource.members in principal };',
  };
  t.is((await as.post('/v1/policies', looks, wait)).body.code, 'POLICY_NOT_LISTABLE');
});

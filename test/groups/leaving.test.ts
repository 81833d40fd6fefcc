import test from 'ava';
import { admin, type Client, login, register, unique } from '../client.ts';

// Nobody is kept in a group, and nobody keeps a member in the organisation.

const wait = { prefer: 'wait=30' };

/** A member with its own client. */
async function someone(as: Client): Promise<{ memberId: string; client: Client }> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

async function make(as: Client, body: object = {}): Promise<string> {
  const made = await as.post('/v1/groups', { name: unique('Group'), ...body }, wait);
  if (made.status !== 201) throw new Error(`no group: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

const member = (groupId: string, { memberId }: { memberId: string }) => `/v1/groups/${groupId}/members/${memberId}`;
const leaderOf = async (as: Client, groupId: string): Promise<string> => {
  const { body } = await as.get(`/v1/groups/${groupId}/positions`);
  return body.items.find(({ kind }: { kind?: string }) => kind === 'leader')?.id;
};
const membersOf = async (as: Client, groupId: string): Promise<string[]> => {
  const { body } = await as.get(`/v1/groups/${groupId}/members`);
  return body.items.map(({ id }: { id: string }) => id);
};

test('who leads a group that its position permits nothing in any more leaves it, alone or with a successor', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const group = await make(one.client);
  t.is((await two.client.put(member(group, two), undefined, wait)).status, 204);
  const path = `/v1/groups/${group}/positions/${await leaderOf(one.client, group)}`;
  t.is((await one.client.patch(path, { permissions: [] }, wait)).status, 200);
  t.is((await one.client.delete(`/v1/groups/${group}`, wait)).status, 403);
  t.like(await one.client.delete(member(group, one), wait), { status: 409, body: { code: 'LAST_LEADER' } });
  t.is((await one.client.delete(`${member(group, one)}?successorId=${two.memberId}`, wait)).status, 204);
  t.is((await two.client.delete(member(group, two), wait)).status, 204, 'nobody is left to succeed it');
  t.deepEqual(await membersOf(as, group), []);
  t.is((await as.get(`/v1/groups/${group}`)).status, 200);
});

test('who leads what a group is in puts out the last that leads the group, if another one of it succeeds', async (t) => {
  const as = await admin();
  const [one, two, three, stranger] = [await someone(as), await someone(as), await someone(as), await someone(as)];
  const top = await make(one.client);
  const inner = await make(one.client, { parentId: top });
  for (const joins of [two, three]) t.is((await joins.client.put(member(inner, joins), undefined, wait)).status, 204);
  t.is((await one.client.delete(`${member(inner, one)}?successorId=${two.memberId}`, wait)).status, 204);
  const path = `${member(inner, two)}:expel`;
  t.is((await three.client.post(path, { reason: 'not for it to do', successorId: three.memberId }, wait)).status, 403);
  t.like(await one.client.post(path, { reason: 'over' }, wait), { status: 409, body: { code: 'LAST_LEADER' } });
  const outside = await one.client.post(path, { reason: 'over', successorId: stranger.memberId }, wait);
  t.like(outside, { status: 409, body: { code: 'NOT_MEMBER' } });
  t.is((await two.client.patch(`/v1/groups/${inner}`, { description: 'still led by it' }, wait)).status, 200);
  t.is((await one.client.post(path, { reason: 'over', successorId: three.memberId }, wait)).status, 204);
  t.deepEqual(await membersOf(as, inner), [three.memberId]);
  t.is((await three.client.patch(`/v1/groups/${inner}`, { description: 'led by it now' }, wait)).status, 200);
  t.is((await two.client.patch(`/v1/groups/${inner}`, { description: 'no more' }, wait)).status, 403);
  const { body } = await two.client.get(`/v1/members/${two.memberId}/expulsions`);
  t.true(
    body.items.some(({ reason }: { reason: string }) => reason === 'over'),
    JSON.stringify(body),
  );
});

test('a group that is archived, or lies under one that is, is left; nobody joins it', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const top = await make(one.client);
  const inner = await make(one.client, { parentId: top });
  for (const group of [top, inner]) t.is((await two.client.put(member(group, two), undefined, wait)).status, 204);
  t.is((await one.client.post(`/v1/groups/${top}:archive`, undefined, wait)).status, 200);
  t.is((await two.client.delete(member(top, two), wait)).status, 204);
  t.like(await two.client.put(member(top, two), undefined, wait), { status: 409, body: { code: 'GROUP_ARCHIVED' } });
  t.is((await one.client.delete(`${member(inner, one)}?successorId=${two.memberId}`, wait)).status, 204);
  t.deepEqual(await membersOf(two.client, inner), [two.memberId]);
  t.is((await as.post(`/v1/groups/${top}:restore`, undefined, wait)).status, 200);
  t.is((await two.client.patch(`/v1/groups/${inner}`, { description: 'led by another' }, wait)).status, 200);
});

test('who alone leads a group is suspended and deleted all the same; who leads what it is in leads it then', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const top = await make(one.client);
  const inner = await make(one.client, { parentId: top });
  t.is((await two.client.put(member(inner, two), undefined, wait)).status, 204);
  t.is((await one.client.delete(`${member(inner, one)}?successorId=${two.memberId}`, wait)).status, 204);
  const path = `/v1/members/${two.memberId}`;
  t.is((await as.post(`${path}:suspend`, {}, wait)).status, 200);
  t.deepEqual(await membersOf(one.client, inner), [two.memberId], 'it stays what it is');
  t.is((await as.delete(path, wait)).status, 204);
  t.deepEqual(await membersOf(one.client, inner), []);
  t.is((await one.client.patch(`/v1/groups/${inner}`, { description: 'led from above' }, wait)).status, 200);
});

test('a member is deleted while others go on sending commands about it', async (t) => {
  const as = await admin();
  const { memberId } = await someone(as);
  const groups = [await make(as), await make(as), await make(as)];
  const paths: string[] = [];
  for (const group of groups) {
    t.is((await as.put(member(group, { memberId }), undefined, wait)).status, 204);
    paths.push(`/v1/groups/${group}/positions/${await leaderOf(as, group)}/members/${memberId}`);
  }
  const refusals = new Set<string>();
  let isOver = false;
  const sending = paths.map(async (path) => {
    for (let count = 0; !isOver; count++) {
      const { status, body } = count % 2 === 0 ? await as.put(path, undefined, wait) : await as.delete(path, wait);
      if (status !== 204) refusals.add(body.code);
    }
  });
  const deleted = await as.delete(`/v1/members/${memberId}`, wait);
  isOver = true;
  await Promise.all(sending);
  t.is(deleted.status, 204, JSON.stringify(deleted.body));
  for (const code of refusals)
    t.true(['MEMBER_DELETING', 'MEMBER_NOT_FOUND', 'POSITION_BUSY', 'NOT_MEMBER'].includes(code), code);
  for (const group of groups) t.false((await membersOf(as, group)).includes(memberId));
});

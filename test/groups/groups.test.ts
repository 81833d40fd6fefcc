import { randomUUID } from 'node:crypto';
import test from 'ava';
import { admin, type Client, login, register, unique } from '../client.ts';

// The organisation, end to end: groups within groups, who is in them, and what they may do there.

const wait = { prefer: 'wait=30' };

/** A member with its own client. */
async function someone(as: Client): Promise<{ memberId: string; client: Client }> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

async function make(as: Client, body: object = {}): Promise<{ id: string; etag: string }> {
  const made = await as.post('/v1/groups', { name: unique('Group'), ...body }, wait);
  if (made.status !== 201) throw new Error(`no group: ${made.status} ${JSON.stringify(made.body)}`);
  return { id: made.body.id, etag: made.headers.get('etag') ?? '' };
}

const idsOf = ({ body }: { body: { items: { id: string }[] } }): string[] => body.items.map(({ id }) => id);
const leaderOf = async (as: Client, groupId: string): Promise<string> => {
  const { body } = await as.get(`/v1/groups/${groupId}/positions`);
  return body.items.find(({ kind }: { kind?: string }) => kind === 'leader')?.id;
};

test('everybody is in the whole organisation from registration to deletion, and it can not be left, moved or deleted', async (t) => {
  const as = await admin();
  const { memberId, client } = await someone(as);
  t.like((await client.get('/v1/groups/root')).body, { id: 'root', visibility: 'open' });
  t.true(idsOf(await client.get(`/v1/members/${memberId}/groups`)).includes('root'));
  const refused = await client.delete(`/v1/groups/root/members/${memberId}`, wait);
  t.like(refused, { status: 409, body: { code: 'ROOT_GROUP' } });
  const { id } = await make(client);
  t.like(await as.post('/v1/groups/root:move', { parentId: id }, wait), { status: 409, body: { code: 'ROOT_GROUP' } });
  t.like(await as.post('/v1/groups/root:archive', undefined, wait), { status: 409, body: { code: 'ROOT_GROUP' } });
  t.like(await as.delete('/v1/groups/root', wait), { status: 409, body: { code: 'ROOT_GROUP' } });
  t.is((await as.delete(`/v1/members/${memberId}`, wait)).status, 204);
  const { body } = await as.get(`/v1/groups/${id}/members`);
  t.deepEqual(body.items, [], 'who is deleted is in nothing');
});

test('what can be no ID of a group is answered as a group that is not there, and groups in general as none of them', async (t) => {
  const { client } = await someone(await admin());
  for (const id of ['%20', 'root..a', '-1', randomUUID()]) {
    const missing = { status: 404, body: { code: 'GROUP_NOT_FOUND' } };
    t.like(await client.patch(`/v1/groups/${id}`, { name: 'x' }), missing, id);
    t.like(await client.get(`/v1/groups/${id}/members`), missing, id);
    t.like(await client.post(`/v1/groups/${id}/positions`, { name: 'x', permissions: [] }), missing, id);
  }
  const checks = ['group.update', 'group.read'].map((action) => ({ action, resource: { type: 'Group' } }));
  const { body } = await client.post('/v1/auth/check', { checks });
  t.deepEqual(body.results, [{ allowed: false }, { allowed: false }]);
});

test('who makes a group leads it, and all that is made in it; others find what is not hidden', async (t) => {
  const as = await admin();
  const [{ client: one, memberId }, { client: other }] = [await someone(as), await someone(as)];
  const top = await make(one, { visibility: 'invitation', description: 'hidden', tags: ['sales'] });
  const inner = await make(one, { parentId: top.id });
  t.like((await one.get(`/v1/groups/${inner.id}`)).body, { id: inner.id, parentId: top.id, visibility: 'open' });
  t.deepEqual(idsOf(await one.get(`/v1/groups/${inner.id}/ancestors`)), ['root', top.id]);
  t.like(await other.get(`/v1/groups/${top.id}`), { status: 404, body: { code: 'GROUP_NOT_FOUND' } });
  t.deepEqual(idsOf(await other.get(`/v1/groups/${inner.id}/ancestors`)), ['root'], 'not even as what another one is in');
  t.like(await other.patch(`/v1/groups/${top.id}`, { name: 'x' }), { status: 404, body: { code: 'GROUP_NOT_FOUND' } });
  t.like(await other.patch(`/v1/groups/${inner.id}`, { name: 'x' }), { status: 403, body: { code: 'PERMISSION_DENIED' } });
  t.like(await other.post('/v1/groups', { name: 'x', parentId: inner.id }), { status: 403 });
  const renamed = await one.patch(`/v1/groups/${inner.id}`, { name: unique('Renamed') }, { ...wait, 'if-match': inner.etag });
  t.is(renamed.status, 200);
  const { body } = await one.get(`/v1/groups/${top.id}?include=members,positions,ancestors,subgroups`);
  t.deepEqual(
    body.members.items.map(({ id }: { id: string }) => id),
    [memberId],
  );
  t.is(body.positions.items.length, 2);
  t.deepEqual(
    body.subgroups.items.map(({ id }: { id: string }) => id),
    [inner.id],
  );
});

test('members join what is open, are added, put out, and leave; the last leader names a successor', async (t) => {
  const as = await admin();
  const [one, two, three] = [await someone(as), await someone(as), await someone(as)];
  const open = await make(one.client);
  const closed = await make(one.client, { visibility: 'request' });
  const member = (groupId: string, { memberId }: { memberId: string }) => `/v1/groups/${groupId}/members/${memberId}`;
  t.is((await two.client.put(member(open.id, two), undefined, wait)).status, 204);
  t.like(await two.client.put(member(open.id, two), undefined, wait), { status: 409, body: { code: 'ALREADY_MEMBER' } });
  t.like(await two.client.put(member(closed.id, two), undefined, wait), { status: 409, body: { code: 'GROUP_NOT_OPEN' } });
  t.like(await two.client.put(member(open.id, three), undefined, wait), { status: 403 });
  t.is((await one.client.put(member(closed.id, two), undefined, wait)).status, 204);
  const listed = await two.client.get(`/v1/groups/${closed.id}/members`);
  t.deepEqual(idsOf(listed).sort(), [one.memberId, two.memberId].sort());
  t.like(await three.client.get(`/v1/groups/${closed.id}/members`), { status: 403 }, 'who finds a group is not in it');

  const last = (place: string) => ({ code: 'LAST_LEADER', errors: [{ in: place, field: 'successorId' }] });
  t.like(await one.client.delete(member(open.id, one), wait), { status: 409, body: last('query') });
  t.like(await one.client.delete(`${member(open.id, one)}?successorId=${three.memberId}`, wait), {
    status: 409,
    body: { code: 'NOT_MEMBER', errors: [{ field: 'successorId' }] },
  });
  t.is((await one.client.delete(`${member(open.id, one)}?successorId=${two.memberId}`, wait)).status, 204);
  t.is((await two.client.patch(`/v1/groups/${open.id}`, { description: 'led by another' }, wait)).status, 200);
  t.is((await one.client.patch(`/v1/groups/${open.id}`, { description: 'x' })).status, 403);

  const expel = (client: Client, groupId: string, whom: { memberId: string }) =>
    client.post(`${member(groupId, whom)}:expel`, { reason: 'it is over' }, wait);
  t.is((await expel(two.client, closed.id, one)).status, 403);
  t.is((await expel(one.client, closed.id, two)).status, 204);
  t.like(await expel(one.client, closed.id, one), { status: 409, body: last('body') });
  t.is((await expel(as, closed.id, one)).status, 204, 'an administrator is not refused that');
});

test('a group moves with all that is in it, never into itself; who led it by what it was in leads it no more', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const [from, to] = [await make(one.client), await make(two.client)];
  const moved = await make(one.client, { parentId: from.id });
  const below = await make(one.client, { parentId: moved.id });
  const move = (client: Client, id: string, parentId: string) => client.post(`/v1/groups/${id}:move`, { parentId }, wait);
  t.like(await move(one.client, moved.id, below.id), {
    status: 409,
    body: { code: 'GROUP_CYCLE', errors: [{ in: 'body', field: 'parentId' }] },
  });
  t.is((await move(one.client, moved.id, to.id)).status, 403, 'where it may make no groups');
  t.is((await move(as, moved.id, to.id)).status, 200);
  t.deepEqual(idsOf(await as.get(`/v1/groups/${below.id}/ancestors`)), ['root', to.id, moved.id]);
  t.is((await two.client.patch(`/v1/groups/${below.id}`, { description: 'led from above' }, wait)).status, 200);
  const at = await Promise.all([move(as, from.id, to.id), move(as, to.id, from.id)]);
  t.deepEqual(at.map(({ status }) => status).sort(), [200, 409], 'two at once that would make a circle');
});

test('positions grant what their givers hold, in the group or all below it, until they are taken away', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const top = await make(one.client);
  const inner = await make(one.client, { parentId: top.id });
  await two.client.put(`/v1/groups/${top.id}/members/${two.memberId}`, undefined, wait);
  const permissions = [{ action: 'group.update', reach: 'subtree' }];
  const made = await one.client.post(`/v1/groups/${top.id}/positions`, { name: 'Editor', permissions }, wait);
  t.is(made.status, 201);
  const bound = `/v1/groups/${top.id}/positions/${made.body.id}/members/${two.memberId}`;
  t.is((await two.client.patch(`/v1/groups/${inner.id}`, { description: 'x' })).status, 403);
  t.is((await one.client.put(bound, undefined, wait)).status, 204);
  t.is((await two.client.patch(`/v1/groups/${inner.id}`, { description: 'edited' }, wait)).status, 200);
  const { body } = await two.client.get(`/v1/groups/${inner.id}/permissions`);
  const update = body.permissions.find(({ action }: { action: string }) => action === 'group.update');
  t.deepEqual(update.positions, [{ positionId: made.body.id, groupId: top.id }]);
  t.like(
    await two.client.put(
      `/v1/groups/${top.id}/positions/${await leaderOf(one.client, top.id)}/members/${two.memberId}`,
      undefined,
      wait,
    ),
    { status: 403 },
  );
  t.like(await one.client.delete(`/v1/groups/${top.id}/positions/${made.body.id}`, wait), {
    status: 409,
    body: { code: 'POSITION_IN_USE' },
  });
  t.is((await one.client.delete(bound, wait)).status, 204);
  t.is((await two.client.patch(`/v1/groups/${inner.id}`, { description: 'x' })).status, 403);
  // What is bound goes with the membership.
  await one.client.put(bound, undefined, wait);
  t.is((await two.client.delete(`/v1/groups/${top.id}/members/${two.memberId}`, wait)).status, 204);
  t.is((await two.client.patch(`/v1/groups/${inner.id}`, { description: 'x' })).status, 403);
  t.is((await one.client.delete(`/v1/groups/${top.id}/positions/${made.body.id}`, wait)).status, 204);
});

test('a group is archived with all below it, restored, and deleted with all that is in it', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const top = await make(one.client);
  const inner = await make(one.client, { parentId: top.id });
  t.is((await one.client.post(`/v1/groups/${top.id}:archive`, undefined, wait)).status, 200);
  const archived = { status: 409, body: { code: 'GROUP_ARCHIVED' } };
  t.like(await one.client.patch(`/v1/groups/${inner.id}`, { name: 'x' }, wait), archived);
  t.like(await two.client.put(`/v1/groups/${inner.id}/members/${two.memberId}`, undefined, wait), archived);
  t.is((await one.client.post(`/v1/groups/${top.id}:restore`, undefined, wait)).status, 200);
  t.is((await two.client.put(`/v1/groups/${inner.id}/members/${two.memberId}`, undefined, wait)).status, 204);
  t.like(await one.client.delete(`/v1/groups/${top.id}`, wait), {
    status: 409,
    body: { code: 'GROUP_NOT_EMPTY', errors: [{ in: 'query', field: 'cascade' }] },
  });
  t.is((await one.client.delete(`/v1/groups/${top.id}?cascade=true`, wait)).status, 204);
  for (const id of [top.id, inner.id]) t.is((await one.client.get(`/v1/groups/${id}`)).status, 404);
  t.deepEqual(idsOf(await two.client.get(`/v1/members/${two.memberId}/groups`)), ['root']);
});

test('names are unique among those next to each other, however they are written', async (t) => {
  const { client } = await someone(await admin());
  const name = unique('Team');
  await make(client, { name });
  for (const same of [name.toUpperCase(), ` ${name} `, name.replace('T', 'Ｔ')])
    t.like(await client.post('/v1/groups', { name: same }, wait), { status: 409, body: { code: 'NAME_TAKEN' } }, same);
  for (const wrong of ['', '   ', 'a\u200bb', 'x'.repeat(101), '\u202eevil'])
    t.like(await client.post('/v1/groups', { name: wrong }), { status: 400, body: { errors: [{ field: 'name' }] } });
  t.like(await client.post('/v1/groups', { name: 'x', parentId: randomUUID() }), {
    status: 404,
    body: { code: 'GROUP_NOT_FOUND' },
  });
});

import test from 'ava';
import { admin, type Client, login, register, unique } from '../client.ts';

// Tags, end to end: a group's own set, what carries them, and who keeps them.

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

const idsOf = ({ body }: { body: { items: { id: string }[] } }): string[] => body.items.map(({ id }) => id);
const pathOf = (groupId: string, tag: string): string => `/v1/groups/${groupId}/tags/${encodeURIComponent(tag)}`;

test('a tag is put on subgroups and members; renamed and merged it is on them under its new name at once', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const [first, second, merged] = [unique('first'), unique('second'), unique('Both')];
  const groupId = await make(one.client, { tags: [first] });
  const subgroupId = await make(one.client, { parentId: groupId });
  t.is((await two.client.put(`/v1/groups/${groupId}/members/${two.memberId}`, undefined, wait)).status, 204);
  const { client } = one;
  for (const again of [1, 2]) t.is((await client.put(pathOf(groupId, second), undefined, wait)).status, 204, `${again}`);
  const onGroup = (tag: string) => `${pathOf(groupId, tag)}/groups/${subgroupId}`;
  const onMember = (tag: string) => `${pathOf(groupId, tag)}/members/${two.memberId}`;
  for (const path of [onGroup(first), onGroup(first), onMember(second), onMember(second)])
    t.is((await client.put(path, undefined, wait)).status, 204, path);
  t.like((await client.get(`/v1/groups/${subgroupId}`)).body, { tags: [], carriedTags: [first] });
  t.deepEqual((await client.get(`/v1/groups/${groupId}`)).body.tags, [first, second]);
  const found = async (tag: string) => ({
    groups: idsOf(await client.get(`/v1/groups?tag=${encodeURIComponent(tag)}`)).sort(),
    subgroups: idsOf(await client.get(`/v1/groups/${groupId}/subgroups?tag=${encodeURIComponent(tag)}`)),
    members: idsOf(await client.get(`/v1/groups/${groupId}/members?tag=${encodeURIComponent(tag)}`)),
  });
  const both = [groupId, subgroupId].sort();
  t.deepEqual(await found(first.toUpperCase()), { groups: both, subgroups: [subgroupId], members: [] });
  t.deepEqual(await found(second), { groups: [groupId], subgroups: [], members: [two.memberId] });

  const refused = await client.post(`${pathOf(groupId, first)}:rename`, { name: second.toUpperCase() }, wait);
  t.like(refused, { status: 409, body: { code: 'TAG_EXISTS', errors: [{ in: 'body', field: 'name' }] } });
  const renamed = await client.post(`${pathOf(groupId, first)}:rename`, { name: merged }, wait);
  t.like(renamed, { status: 200, body: { id: groupId, tags: [merged, second].sort() } });
  t.deepEqual(await found(first), { groups: [], subgroups: [], members: [] });
  t.deepEqual(await found(merged), { groups: both, subgroups: [subgroupId], members: [] });
  const merging = await client.post(`${pathOf(groupId, second)}:rename`, { name: merged, merge: true }, wait);
  t.like(merging, { status: 200, body: { tags: [merged] } });
  t.deepEqual(await found(merged), { groups: both, subgroups: [subgroupId], members: [two.memberId] });
  t.deepEqual(await found(second), { groups: [], subgroups: [], members: [] });
  const { body } = await client.get(`/v1/groups/${groupId}?include=members,subgroups`);
  t.deepEqual(body.subgroups.items[0].carriedTags, [merged]);
  t.deepEqual(body.members.items.find(({ id }: { id: string }) => id === two.memberId).tags, [merged]);

  for (const again of [1, 2]) t.is((await client.delete(onMember(merged), wait)).status, 204, `${again}`);
  t.deepEqual((await found(merged)).members, []);
  t.is((await client.post(`/v1/groups/${subgroupId}:move`, { parentId: 'root' }, wait)).status, 200);
  t.deepEqual((await client.get(`/v1/groups/${subgroupId}`)).body.carriedTags, [], 'it has left them behind');
  t.is((await client.delete(pathOf(groupId, merged), wait)).status, 204);
  t.deepEqual(await found(merged), { groups: [], subgroups: [], members: [] });
});

test('what can not be: tags that there are not, groups that are elsewhere, members that are not in it, names that are none', async (t) => {
  const as = await admin();
  const { client, memberId } = await someone(as);
  const [groupId, elsewhere, stranger] = [await make(client, { tags: ['a/b:c'] }), await make(client), await someone(as)];
  const put = (tag: string, rest = '') => client.put(`${pathOf(groupId, tag)}${rest}`, undefined, wait);
  t.like(await put('no', `/members/${memberId}`), {
    status: 404,
    body: { code: 'TAG_NOT_FOUND', errors: [{ in: 'path', field: 'tag' }] },
  });
  t.like(await client.post(`${pathOf(groupId, 'no')}:rename`, { name: 'x' }, wait), {
    status: 404,
    body: { code: 'TAG_NOT_FOUND' },
  });
  t.like(await put('a/b:c', `/groups/${elsewhere}`), { status: 409, body: { code: 'NOT_SUBGROUP' } });
  t.like(await put('a/b:c', `/members/${stranger.memberId}`), { status: 409, body: { code: 'NOT_MEMBER' } });
  t.is((await put('Ａ/B:c', `/members/${memberId}`)).status, 204);
  t.deepEqual((await client.get(`/v1/groups/${groupId}/members?tag=A%2Fb%3AC`)).body.items[0].tags, ['a/b:c']);
  for (const wrong of [' ', 'a'.repeat(51), 'a\u200bb', '\u202ea'])
    t.like(await put(wrong), { status: 400, body: { errors: [{ in: 'path', field: 'tag' }] } }, wrong);
  t.is((await put('あ'.repeat(50))).status, 204);
  t.is((await client.post(`/v1/groups/${groupId}:archive`, undefined, wait)).status, 200);
  t.like(await put('later'), { status: 409, body: { code: 'GROUP_ARCHIVED' } });
});

test('who leads a group keeps its tags, and who holds a position that permits it; nobody sees those of a group that is hidden', async (t) => {
  const as = await admin();
  const [one, two] = [await someone(as), await someone(as)];
  const word = unique('word');
  const groupId = await make(one.client, { tags: [word], visibility: 'invitation' });
  const inner = await make(one.client, { parentId: groupId });
  t.is((await one.client.put(`${pathOf(groupId, word)}/groups/${inner}`, undefined, wait)).status, 204);
  t.deepEqual(
    (await two.client.get(`/v1/groups/${inner}`)).body.carriedTags,
    [],
    'it sees that group, and not the one whose tag it is',
  );
  t.deepEqual(idsOf(await two.client.get(`/v1/groups?tag=${encodeURIComponent(word)}`)), []);
  t.like(await two.client.put(pathOf(groupId, 'x'), undefined, wait), { status: 404, body: { code: 'GROUP_NOT_FOUND' } });
  t.is((await one.client.put(`/v1/groups/${groupId}/members/${two.memberId}`, undefined, wait)).status, 204);
  t.deepEqual((await two.client.get(`/v1/groups/${inner}`)).body.carriedTags, [word]);
  const itself = `${pathOf(groupId, word)}/members/${two.memberId}`;
  t.like(await two.client.put(itself, undefined, wait), { status: 403, body: { code: 'PERMISSION_DENIED' } });
  const permissions = [{ action: 'group.tag', reach: 'here' }];
  const position = await one.client.post(`/v1/groups/${groupId}/positions`, { name: 'Tag keeper', permissions }, wait);
  const bound = `/v1/groups/${groupId}/positions/${position.body.id}/members/${two.memberId}`;
  t.is((await one.client.put(bound, undefined, wait)).status, 204);
  t.is((await two.client.put(itself, undefined, wait)).status, 204);
  t.like(await two.client.put(pathOf(groupId, 'x'), undefined, wait), { status: 403 }, 'the set is another permission');
  t.is((await one.client.delete(bound, wait)).status, 204);
  t.like(await two.client.delete(itself, wait), { status: 403 });
});

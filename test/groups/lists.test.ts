import test from 'ava';
import { admin, login, register, unique } from '../client.ts';

// Lists of groups, members and positions, filtered and ordered, end to end.

const wait = { prefer: 'wait=30' };

test('lists show what a filter leaves, in the order that is asked for, page by page, and only what one may see', async (t) => {
  const as = await admin();
  const [one, two] = [await register(as), await register(as)];
  const [leader, other] = [await login(one.loginId, one.password), await login(two.loginId, two.password)];
  const make = async (body: object): Promise<string> => (await leader.post('/v1/groups', body, wait)).body.id;
  const top = await make({ name: unique('Top') });
  const names = ['b', 'a', 'd', 'c'];
  for (const name of names) await make({ name, parentId: top, visibility: name === 'd' ? 'invitation' : 'open' });
  const named = (answer: { body: { items: { name: string }[] } }) => answer.body.items.map(({ name }) => name).join('');
  const subgroups = `/v1/groups/${top}/subgroups`;
  t.is(named(await leader.get(subgroups)), 'abcd');
  t.is(named(await leader.get(`${subgroups}?orderBy=createdAt`)), 'badc');
  t.is(named(await leader.get(`${subgroups}?orderBy=createdAt%20desc`)), 'cdab');
  const open = `filter=${encodeURIComponent('visibility = "open" AND name != "a"')}`;
  t.is(named(await leader.get(`${subgroups}?orderBy=name%20desc&${open}`)), 'cb');
  t.is(named(await other.get(`${subgroups}?orderBy=createdAt`)), 'bac', 'what is hidden stays so in every order');
  const hidden = `filter=${encodeURIComponent('visibility = "invitation"')}`;
  t.is(named(await other.get(`${subgroups}?${hidden}`)), '');
  const first = await leader.get(`${subgroups}?orderBy=createdAt&pageSize=3`);
  const next = `pageToken=${first.body.nextPageToken}`;
  t.is(named(await leader.get(`${subgroups}?orderBy=createdAt&pageSize=3&${next}`)), 'c');
  t.like(await leader.get(`${subgroups}?orderBy=updatedAt&${next}`), { status: 400, body: { code: 'PAGE_TOKEN_INVALID' } });
  t.is(named(await leader.get(`/v1/members/${one.memberId}/groups?orderBy=createdAt%20desc&pageSize=4`)), 'cdab');
  t.is(named(await leader.get(`/v1/groups?memberId=${one.memberId}&orderBy=createdAt%20desc&pageSize=4`)), 'cdab');
  t.like(await leader.get('/v1/groups?query=x&orderBy=name'), {
    status: 400,
    body: { errors: [{ in: 'query', field: 'orderBy' }] },
  });

  await other.put(`/v1/groups/${top}/members/${two.memberId}`, undefined, wait);
  const idsOf = async (query: string) =>
    (await leader.get(`/v1/groups/${top}/members?${query}`)).body.items.map(({ id }: { id: string }) => id);
  t.deepEqual(await idsOf('orderBy=joinedAt'), [one.memberId, two.memberId]);
  t.deepEqual(await idsOf('orderBy=joinedAt%20desc'), [two.memberId, one.memberId]);
  const { items } = (await leader.get(`/v1/groups/${top}/members?orderBy=joinedAt`)).body;
  t.deepEqual(await idsOf(`filter=${encodeURIComponent(`joinedAt > "${items[0].joinedAt}"`)}`), [two.memberId]);
  t.is((await leader.get(`/v1/groups/${top}/positions?filter=${encodeURIComponent('kind = leader')}`)).body.items.length, 1);
});

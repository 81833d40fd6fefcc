import { randomUUID } from 'node:crypto';
import test from 'ava';
import { type Answer, admin, type Client, login, register, unique } from '../client.ts';

// Rooms, end to end: who makes them, who is in them, and who sees nothing of them.

const wait = { prefer: 'wait=30' };

interface Someone {
  memberId: string;
  client: Client;
}

async function someone(as: Client): Promise<Someone> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

/** A room that somebody makes, with others in it. */
async function make({ client }: Someone, ...others: Someone[]): Promise<{ path: string; etag: string }> {
  const made = await client.post('/v1/rooms', { name: unique('Room'), memberIds: others.map(({ memberId }) => memberId) }, wait);
  if (made.status !== 201) throw new Error(`no room: ${made.status} ${JSON.stringify(made.body)}`);
  return { path: `/v1/rooms/${made.body.id}`, etag: made.headers.get('etag') ?? '' };
}

const put = (by: Someone, path: string, { memberId }: Someone): Promise<Answer> =>
  by.client.put(`${path}/members/${memberId}`, undefined, wait);
const remove = (by: Someone, path: string, { memberId }: Someone): Promise<Answer> =>
  by.client.delete(`${path}/members/${memberId}`, wait);
const rename = ({ client }: Someone, path: string, name: string, headers = {}): Promise<Answer> =>
  client.patch(path, { name }, { ...wait, ...headers });

const refused = (status: number, code: string) => ({ status, body: { code } });
const HIDDEN = refused(404, 'ROOM_NOT_FOUND');

async function members(by: Someone, path: string): Promise<string[]> {
  const { status, body } = await by.client.get(`${path}/members`);
  if (status !== 200) throw new Error(`no members: ${status} ${JSON.stringify(body)}`);
  return body.items
    .map(({ id: memberId, owner }: { id: string; owner: boolean }) => (owner ? `${memberId} owns it` : memberId))
    .sort();
}
const idsOf = (owner: Someone | null, ...others: Someone[]): string[] =>
  [...(owner ? [`${owner.memberId} owns it`] : []), ...others.map(({ memberId }) => memberId)].sort();
const rooms = async ({ client }: Someone): Promise<string[]> =>
  (await client.get('/v1/rooms?pageSize=100')).body.items.map(({ id }: { id: string }) => `/v1/rooms/${id}`);

test('a room is made with who is in it; its owner renames and deletes it, and nobody changes what another one has changed', async (t) => {
  const as = await admin();
  const [owner, other] = [await someone(as), await someone(as)];
  const { path, etag } = await make(owner, other);
  t.deepEqual(await members(other, path), idsOf(owner, other));
  for (const one of [owner, other]) t.deepEqual(await rooms(one), [path]);

  const name = unique('Renamed');
  const renamed = await rename(owner, path, name, { 'if-match': etag });
  t.like(renamed, { status: 200, body: { name } });
  t.is((await other.client.get(path)).body.name, name);
  t.like(await rename(owner, path, 'x', { 'if-match': etag }), refused(412, 'VERSION_MISMATCH'));
  t.like(await rename(other, path, 'x'), refused(403, 'NOT_ROOM_OWNER'));
  t.like(await other.client.delete(path, wait), refused(403, 'NOT_ROOM_OWNER'));
  t.like(await owner.client.delete(path, { ...wait, 'if-match': etag }), refused(412, 'VERSION_MISMATCH'));

  const seen = renamed.headers.get('etag') ?? '';
  t.is((await owner.client.delete(path, { ...wait, 'if-match': seen })).status, 204);
  for (const { client } of [owner, other]) t.like(await client.get(path), HIDDEN);
  t.deepEqual(await rooms(other), []);
  t.like(await owner.client.delete(path, wait), HIDDEN, 'once');
});

test('an owner adds and removes members; anybody leaves; where the last owner goes another one owns it; who is last takes it along', async (t) => {
  const as = await admin();
  const [owner, other, third] = [await someone(as), await someone(as), await someone(as)];
  const { path } = await make(owner, other);
  t.like(await put(other, path, third), refused(403, 'NOT_ROOM_OWNER'));
  t.is((await put(owner, path, third)).status, 204);
  t.like(await put(owner, path, third), refused(409, 'ALREADY_IN_ROOM'));
  t.deepEqual(await members(third, path), idsOf(owner, other, third));

  t.like(await remove(other, path, third), refused(403, 'NOT_ROOM_OWNER'));
  t.is((await remove(owner, path, third)).status, 204);
  t.like(await third.client.get(path), HIDDEN);
  t.like(await remove(owner, path, third), refused(404, 'NOT_IN_ROOM'));

  t.is((await remove(owner, path, owner)).status, 204);
  t.like(await owner.client.get(path), HIDDEN);
  t.deepEqual(await members(other, path), idsOf(other));
  t.is((await put(other, path, third)).status, 204, 'it owns it now');
  for (const last of [third, other]) t.is((await remove(last, path, last)).status, 204);
  t.like(await other.client.get(path), HIDDEN);
});

test('two who open their room at the same time are in one; nobody comes, goes, or names it', async (t) => {
  const as = await admin();
  const [one, two, three] = [await someone(as), await someone(as), await someone(as)];
  const direct = ({ client }: Someone, { memberId }: Someone) => client.put(`/v1/rooms/direct/${memberId}`, undefined, wait);
  const opened = await Promise.all([direct(one, two), direct(two, one), direct(one, two)]);
  t.deepEqual(new Set(opened.map(({ status, body }) => `${status} ${body.kind}`)), new Set(['200 direct']));
  const [id, ...more] = new Set(opened.map(({ body }) => body.id));
  t.deepEqual(more, []);
  const path = `/v1/rooms/${id}`;
  t.deepEqual(await members(two, path), idsOf(null, one, two));
  for (const each of [one, two]) t.deepEqual(await rooms(each), [path]);
  t.like(await put(one, path, three), refused(409, 'DIRECT_ROOM'));
  t.like(await remove(one, path, one), refused(409, 'DIRECT_ROOM'));
  t.like(await rename(one, path, 'x'), refused(409, 'DIRECT_ROOM'));
  t.like(await one.client.delete(path, wait), refused(409, 'DIRECT_ROOM'));
  t.like(await three.client.get(path), HIDDEN);

  const together = ({ client }: Someone, ...others: Someone[]) =>
    client.post('/v1/rooms/direct', { memberIds: others.map(({ memberId }) => memberId) }, wait);
  const all = await Promise.all([together(one, two, three), together(three, one, two), together(two, three, one)]);
  const [ofThree, ...others] = new Set(all.map(({ body }) => body.id));
  t.deepEqual([others, ofThree === id], [[], false]);
  t.deepEqual(await members(three, `/v1/rooms/${ofThree}`), idsOf(null, one, two, three));
  t.is((await together(two, one)).body.id, id, 'of two it is that of both');
});

test('who is not in a room is answered as if there was none, whatever it asks for', async (t) => {
  const as = await admin();
  const [owner, other] = [await someone(as), await someone(as)];
  const { path } = await make(owner);
  for (const hidden of [path, `/v1/rooms/${randomUUID()}`]) {
    t.like(await other.client.get(hidden), HIDDEN);
    t.like(await other.client.get(`${hidden}/members`), HIDDEN);
    t.like(await rename(other, hidden, 'x'), HIDDEN);
    t.like(await rename(other, hidden, 'x', { 'if-match': '"1.x"' }), HIDDEN);
    t.like(await other.client.delete(hidden, wait), HIDDEN);
    t.like(await put(other, hidden, other), HIDDEN);
    t.like(await remove(other, hidden, other), HIDDEN);
    t.like(await remove(other, hidden, owner), HIDDEN);
  }
  t.deepEqual(await rooms(other), []);
  t.deepEqual(await members(owner, path), idsOf(owner));
});

import test from 'ava';
import { DEEPEST } from '../../platform/validation/group-fields.ts';
import { type Answer, admin, type Client, login, register, unique } from '../client.ts';

// How deep groups can be, and what their names can be, end to end: what is within the bounds is done, and what is beyond them is refused with its code.

const wait = { prefer: 'wait=30' };

/** A member with its own client. */
async function someone(as: Client): Promise<{ memberId: string; client: Client }> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

async function make(as: Client, parentId: string): Promise<string> {
  const made = await as.post('/v1/groups', { name: unique('Group'), parentId }, wait);
  if (made.status !== 201) throw new Error(`no group: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

const idsOf = ({ body }: Answer): string[] => body.items.map(({ id }: { id: string }) => id);

test('groups are a hundred deep, that of the whole organisation counted: to make one that is deeper is refused, and so is a move by which one would be', async (t) => {
  const { client } = await someone(await admin());
  const chain = ['root'];
  while (chain.length < DEEPEST) chain.push(await make(client, chain.at(-1) ?? ''));
  const deepest = chain.at(-1) ?? '';
  t.deepEqual(idsOf(await client.get(`/v1/groups/${deepest}/ancestors`)), chain.slice(0, -1));
  t.is((await client.patch(`/v1/groups/${deepest}`, { description: 'led from above' }, wait)).status, 200);
  const tooDeep = { status: 409, body: { code: 'GROUP_TOO_DEEP', errors: [{ in: 'body', field: 'parentId' }] } };
  t.like(await client.post('/v1/groups', { name: 'Deeper', parentId: deepest }, wait), tooDeep);
  t.deepEqual(idsOf(await client.get(`/v1/groups/${deepest}/subgroups`)), []);

  // Two, one in the other: the lower one counts.
  const upper = await make(client, 'root');
  const lower = await make(client, upper);
  const move = (parentId = '') => client.post(`/v1/groups/${upper}:move`, { parentId }, wait);
  for (const parentId of chain.slice(-2)) t.like(await move(parentId), tooDeep);
  t.deepEqual(idsOf(await client.get(`/v1/groups/${lower}/ancestors`)), ['root', upper], 'it stays where it was');
  t.is((await move(chain.at(-3))).status, 200);
  t.is(idsOf(await client.get(`/v1/groups/${lower}/ancestors`)).length, DEEPEST - 1);
  t.is((await client.patch(`/v1/groups/${lower}`, { description: 'led from above' }, wait)).status, 200);
  t.like(await client.post('/v1/groups', { name: 'Deeper', parentId: lower }, wait), tooDeep);

  const [, top = ''] = chain;
  const tree = await client.get(`/v1/groups/${top}/subgroups?depth=100&pageSize=1000`);
  t.deepEqual(idsOf(tree).sort(), [...chain.slice(2), upper, lower].sort());
  t.is((await client.delete(`/v1/groups/${top}?cascade=true`, wait)).status, 204);
  for (const id of [top, deepest, lower]) t.is((await client.get(`/v1/groups/${id}`)).status, 404);
});

test('a name has 1 to 100 characters, in any script and direction, and is shown as it was given', async (t) => {
  const { client } = await someone(await admin());
  const top = await make(client, 'root');
  const given = {
    'one character': '京',
    'a hundred characters': 'あ'.repeat(100),
    'a hundred characters that are two units each': '𠮷'.repeat(100),
    'from right to left': 'فريق المبيعات',
    'from right to left, with a number': 'צוות 7',
    'a word that its joiner shapes': 'می\u200cخواهم',
    'one emoji of several': '👩\u200d🚀',
  };
  for (const [what, name] of Object.entries(given)) {
    const made = await client.post('/v1/groups', { name, parentId: top }, wait);
    t.deepEqual([made.status, made.body.name], [201, name], what);
    t.is((await client.get(`/v1/groups/${made.body.id}`)).body.name, name, what);
  }
  const shown = (await client.get(`/v1/groups/${top}/subgroups?pageSize=100`)).body.items.map(
    (one: { name: string }) => one.name,
  );
  t.deepEqual(shown.sort(), Object.values(given).sort());
});

test('a name is refused that is empty or blank, too long, or not what it looks like, by the field that has it; nothing is made of it', async (t) => {
  const { client } = await someone(await admin());
  const top = await make(client, 'root');
  const one = await make(client, top);
  const { name } = (await client.get(`/v1/groups/${one}`)).body;
  const wrong = {
    empty: '',
    'only blanks': '   ',
    'only blanks of other widths': '\u3000\u00a0\u2003',
    '101 characters': 'あ'.repeat(101),
    '10,000 characters': 'a'.repeat(10_000),
    'zero-width characters between letters': 'a\u200bb',
    'nothing but a zero-width character': '\u200b',
    'a joiner that shapes nothing': 'a\u200db',
    'turned around': '\u202eevil',
    'two lines': 'a\nb',
  };
  for (const [what, text] of Object.entries(wrong)) {
    const refused = { status: 400, body: { code: 'INVALID_ARGUMENT', errors: [{ in: 'body', field: 'name' }] } };
    t.like(await client.post('/v1/groups', { name: text, parentId: top }, wait), refused, what);
    t.like(await client.patch(`/v1/groups/${one}`, { name: text }, wait), refused, what);
  }
  t.deepEqual(idsOf(await client.get(`/v1/groups/${top}/subgroups`)), [one]);
  t.is((await client.get(`/v1/groups/${one}`)).body.name, name);
});

test('names that are the same once they are normalised are one: of a new group, of a renamed one and of one that is moved there', async (t) => {
  const { client } = await someone(await admin());
  const [top, elsewhere] = [await make(client, 'root'), await make(client, 'root')];
  const taken = { status: 409, body: { code: 'NAME_TAKEN', errors: [{ field: 'name' }] } };
  const alike = {
    'composed and decomposed': ['Caf\u00e9', 'Cafe\u0301'],
    'two signs for one letter': ['\u00c5ngström', '\u212bngstro\u0308m'],
    'another width': ['ガイド', 'ｶﾞｲﾄﾞ'],
    'another case': ['Straße', 'STRASSE'],
    'a ligature': ['Oﬃce', 'Office'],
    'blanks around': ['Kyoto', '  Kyoto\u3000'],
  };
  for (const [what, [first, second]] of Object.entries(alike)) {
    const made = await client.post('/v1/groups', { name: first, parentId: top }, wait);
    t.is(made.status, 201, what);
    t.like(await client.post('/v1/groups', { name: second, parentId: top }, wait), taken, what);
    const other = await client.post('/v1/groups', { name: second, parentId: elsewhere }, wait);
    t.is(other.status, 201, `${what}: somewhere else`);
    const moved = await client.post(`/v1/groups/${other.body.id}:move`, { parentId: top }, wait);
    t.like(moved, { status: 409, body: { code: 'NAME_TAKEN' } }, what);
    const third = await make(client, top);
    t.like(await client.patch(`/v1/groups/${third}`, { name: second }, wait), taken, what);
    t.is((await client.patch(`/v1/groups/${made.body.id}`, { name: second }, wait)).status, 200, `${what}: its own name`);
  }
});

import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import { type World, worldTest } from '../../gateway.fixture.ts';
import { groupView } from '../../group-stand-ins.fixture.ts';

const test = worldTest();
const wait = { prefer: 'wait=5' };

/** Who changes groups in these tests, as it asks. */
const asAdmin = (world: World) => {
  const { admin: token } = world;
  return (method: string, path: string, body?: object, headers = {}) =>
    send(world, method, path, { token, headers: { ...wait, ...headers }, ...(body ? { body } : {}) });
};
const adminOf = (world: World): string | undefined => [...world.members.keys()].find((id) => id !== world.hanaId);
const inputOf = (world: World): unknown => world.started.at(-1)?.input;
/** What Auth was asked last to let happen. */
const askedOf = (world: World) => {
  const { action, resource } = world.asked.findLast(({ wantsPermit }) => wantsPermit) ?? {};
  return [action, resource?.type, resource?.id];
};

test('a group is made in another one, of which it is asked whether that may be, or right in the whole organisation', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const made = await ask('POST', '/v1/groups', { name: ' 開発部 ', tags: ['sales'] });
  t.is(made.status, 201);
  t.like(made.body, { parentId: 'root', name: '開発部', description: '', visibility: 'open', tags: ['sales'], archived: false });
  t.is(made.headers.get('location'), `/v1/groups/${made.body.id}`);
  t.regex(made.headers.get('etag') ?? '', /^"1/);
  t.deepEqual(askedOf(world), ['group.create', 'Group', 'root']);
  const creatorId = adminOf(world);
  t.like(inputOf(world), { groupId: made.body.id, parentId: 'root', visibility: 'VISIBILITY_OPEN', creatorId });
  const parentId = made.body.id as string;
  const given = { name: 'Kyoto', parentId: parentId.toUpperCase(), visibility: 'invitation', description: 'x' };
  const within = await ask('POST', '/v1/groups', given);
  t.like(within, { status: 201, body: { parentId, visibility: 'invitation', description: 'x' } });
  t.deepEqual(askedOf(world), ['group.create', 'Group', parentId]);
  t.like(inputOf(world), { parentId, visibility: 'VISIBILITY_INVITATION', description: 'x', tags: [] });
  t.like(await ask('POST', '/v1/groups', { name: 'Kyoto' }), { status: 409, body: { code: 'NAME_TAKEN' } });
});

test('no body of a stranger is read to see where a group is to be; who may not make one there learns nothing of it', async (t) => {
  const { context: world } = t;
  const { hana, hanaId } = world;
  const wrong = { name: '' };
  t.like(await send(world, 'POST', '/v1/groups', { body: wrong }), { status: 401, body: { code: 'TOKEN_MISSING' } });
  t.like(await send(world, 'POST', '/v1/groups', { token: 'x.y.z', body: wrong }), {
    status: 401,
    body: { code: 'TOKEN_INVALID' },
  });
  t.is(world.asked.length, 0);
  const answer = await send(world, 'POST', '/v1/groups', { token: hana, body: { name: 'Kyoto', parentId: newId() } });
  t.like(answer, { status: 404, body: { code: 'GROUP_NOT_FOUND', errors: [{ in: 'body', field: 'parentId' }] } });
  t.truthy(hanaId);
  t.is(world.started.length, 0);
});

test('what breaks a rule of groups is named with its field', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const name = 'Kyoto';
  for (const [body, field] of [
    [{}, 'name'],
    [{ name: ' \u3000 ' }, 'name'],
    [{ name: 'a'.repeat(101) }, 'name'],
    [{ name: 'a'.repeat(10_000) }, 'name'],
    [{ name: 'a\u200bb' }, 'name'],
    [{ name: 'a\u202eb' }, 'name'],
    [{ name, description: 'a'.repeat(501) }, 'description'],
    [{ name, visibility: 'secret' }, 'visibility'],
    [{ name, tags: ['ok', ''] }, 'tags[1]'],
    [{ name, tags: Array.from({ length: 101 }, (_, i) => `t${i}`) }, 'tags'],
    [{ name, parentId: 'Not an ID' }, 'parentId'],
    [{ name, creatorId: newId() }, 'creatorId'],
  ] as const) {
    const answer = await ask('POST', '/v1/groups', body);
    t.like(answer, { status: 400, body: { errors: [{ in: 'body', field }] } }, JSON.stringify(body).slice(0, 100));
  }
  const id = newId();
  world.groups.set(id, groupView(id));
  for (const [body, field] of [
    ...['', ' \u3000 ', 'a'.repeat(101), 'a'.repeat(10_000), 'a\u200bb', 'a\u202eb', 'a\nb', null].map((one) => [
      { name: one },
      'name',
    ]),
    [{ description: 'a'.repeat(501) }, 'description'],
    [{ description: 'a\u202eb' }, 'description'],
    [{ visibility: 'secret' }, 'visibility'],
    [{ name, tags: ['sales'] }, 'tags'],
    [{ name, parentId: id }, 'parentId'],
  ] as [object, string][]) {
    const answer = await ask('PATCH', `/v1/groups/${id}`, body);
    t.like(answer, { status: 400, body: { errors: [{ in: 'body', field }] } }, JSON.stringify(body).slice(0, 100));
  }
  t.is(world.started.length, 0);
});

test('a group is changed in what is given, and only if it is as the client saw it', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const id = newId();
  world.groups.set(id, groupView(id, { name: 'Old', version: 3 }));
  const path = `/v1/groups/${id}`;
  t.like(await ask('PATCH', path, { name: 'New' }, { 'if-match': '"2"' }), { status: 412, body: { code: 'VERSION_MISMATCH' } });
  const changed = await ask('PATCH', path, { name: 'New', visibility: 'request' }, { 'if-match': '"3"' });
  t.like(changed, { status: 200, body: { id, name: 'New', visibility: 'request' } });
  t.deepEqual(inputOf(world), { groupId: id, changes: { name: 'New', visibility: 'VISIBILITY_REQUEST' }, expectedVersion: 3 });
  t.deepEqual(askedOf(world), ['group.update', 'Group', id]);
  const read = world.asked.find(({ action, filtered }) => action === 'group.read' && filtered);
  t.like(read, { resource: { type: 'Group', id } }, 'whether that group is shown is asked of it alone');
  t.is((await ask('PATCH', path, { description: '' })).status, 200);
  t.deepEqual(inputOf(world), { groupId: id, changes: { description: '' } });
  t.like(await ask('PATCH', path, {}), { status: 400, body: { errors: [{ code: 'REQUIRED' }] } });
  t.like(await ask('PATCH', `/v1/groups/${newId()}`, { name: 'x' }), { status: 404, body: { code: 'GROUP_NOT_FOUND' } });
});

test('all else that is done to a group is done only if it is as the client saw it, too', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const [id, to] = [newId(), newId()];
  world.groups.set(to, groupView(to));
  for (const [method, what, body] of [
    ['POST', ':move', { parentId: to }],
    ['POST', ':archive'],
    ['POST', ':restore'],
    ['DELETE', ''],
  ] as const) {
    world.groups.set(id, groupView(id, { version: 3 }));
    const change = (version: number) => ask(method, `/v1/groups/${id}${what}`, body, { 'if-match': `"${version}"` });
    t.like(await change(2), { status: 412, body: { code: 'VERSION_MISMATCH' } }, what);
    t.true((await change(3)).status < 300, what);
    t.like(inputOf(world), { groupId: id, expectedVersion: 3 }, what);
  }
});

test('a group is moved where its mover may make groups', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const [id, to, unseen] = [newId(), newId(), newId()];
  for (const each of [id, to]) world.groups.set(each, groupView(each));
  const moved = await ask('POST', `/v1/groups/${id}:move`, { parentId: to });
  t.like(moved, { status: 200, body: { id, parentId: to } });
  const [byMemberId] = world.members.keys();
  t.deepEqual(inputOf(world), { groupId: id, parentId: to, byMemberId });
  world.refused.push({ actions: ['group.create'], id: to }, { actions: ['group.create', 'group.read'], id: unseen });
  const refused = await ask('POST', `/v1/groups/${id}:move`, { parentId: to });
  t.like(refused, { status: 403, body: { code: 'PERMISSION_DENIED' } });
  const hidden = await ask('POST', `/v1/groups/${id}:move`, { parentId: unseen });
  t.like(hidden, { status: 404, body: { code: 'GROUP_NOT_FOUND', errors: [{ in: 'body', field: 'parentId' }] } });
  t.is(world.started.length, 1);
  t.like(await ask('POST', `/v1/groups/${id}:move`, {}), { status: 400, body: { errors: [{ field: 'parentId' }] } });
});

test('a group is archived, and taken out of the archive', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const id = newId();
  world.groups.set(id, groupView(id));
  t.like(await ask('POST', `/v1/groups/${id}:archive`), { status: 200, body: { archived: true } });
  t.deepEqual(askedOf(world), ['group.archive', 'Group', id]);
  t.like(await ask('POST', `/v1/groups/${id}:restore`), { status: 200, body: { archived: false } });
  t.deepEqual(askedOf(world), ['group.restore', 'Group', id]);
  t.like(await ask('POST', '/v1/groups/root:archive'), { status: 404 }, 'there is none in this world');
  t.deepEqual(askedOf(world), ['group.archive', 'Group', 'root']);
});

test('a group with groups in it is deleted only with all of them; the parameter is a part of the request', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const [id, within] = [newId(), newId()];
  world.groups.set(id, groupView(id));
  world.groups.set(within, groupView(within, { parentId: id }));
  const headers = { 'idempotency-key': 'one' };
  t.like(await ask('DELETE', `/v1/groups/${id}`, undefined, headers), { status: 409, body: { code: 'GROUP_NOT_EMPTY' } });
  t.like(await ask('DELETE', `/v1/groups/${id}?cascade=true`, undefined, headers), {
    status: 422,
    body: { code: 'IDEMPOTENCY_KEY_REUSED' },
  });
  t.like(await ask('DELETE', `/v1/groups/${id}?cascade=yes`), {
    status: 400,
    body: { errors: [{ in: 'query', field: 'cascade' }] },
  });
  t.is((await ask('DELETE', `/v1/groups/${id}?cascade=true`)).status, 204);
  t.deepEqual(inputOf(world), { groupId: id, cascade: true });
  t.is((await ask('DELETE', `/v1/groups/${within}?cascade=false`)).status, 204);
  t.deepEqual(inputOf(world), { groupId: within, cascade: false });
});

test('who may not read a group is told of nothing; who may read it, that it may not change it', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const id = newId();
  world.groups.set(id, groupView(id));
  const all = ['group.create', 'group.update', 'group.move', 'group.archive', 'group.restore', 'group.delete'];
  const requests = [
    ['POST', '/v1/groups', { name: 'x', parentId: id }],
    ['PATCH', `/v1/groups/${id}`, { name: 'x' }],
    ['POST', `/v1/groups/${id}:move`, { parentId: 'root' }],
    ['POST', `/v1/groups/${id}:archive`],
    ['POST', `/v1/groups/${id}:restore`],
    ['DELETE', `/v1/groups/${id}`],
  ] as const;
  world.refused.push({ actions: all });
  for (const [method, path, body] of requests)
    t.like(await ask(method, path, body), { status: 403, body: { code: 'PERMISSION_DENIED' } }, `${method} ${path}`);
  world.refused.push({ actions: ['group.read'] });
  for (const [method, path, body] of requests)
    t.like(await ask(method, path, body), { status: 404, body: { code: 'GROUP_NOT_FOUND' } }, `${method} ${path}`);
  t.is(world.started.length, 0);
});

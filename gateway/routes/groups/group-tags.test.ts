import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import { type World, worldTest } from '../../gateway.fixture.ts';
import { groupView } from '../../group-stand-ins.fixture.ts';

const test = worldTest();
const wait = { prefer: 'wait=5' };

/** Who changes tags in these tests, as it asks. */
const asAdmin = (world: World) => {
  const { admin: token } = world;
  return (method: string, path: string, body?: object) =>
    send(world, method, path, { token, headers: wait, ...(body ? { body } : {}) });
};
const startedOf = (world: World) => {
  const { command, input, aggregateId } = world.started.at(-1) ?? {};
  return { command, input, aggregateId };
};
const groupOf = (world: World): string => {
  const id = newId();
  world.groups.set(id, groupView(id, { tags: ['sales'], version: 3 }));
  return id;
};

test("a tag is put into a group's own set, removed and renamed, by its name in the path", async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const groupId = groupOf(world);
  const path = `/v1/groups/${groupId.toUpperCase()}/tags`;
  const command = 'group.change-tags';
  t.is((await ask('PUT', `${path}/sales`)).status, 204);
  const of = { groupId, tag: 'sales' };
  t.deepEqual(startedOf(world), { command, aggregateId: groupId, input: { ...of, change: 'TAGS_CHANGE_PUT' } });
  t.like(world.asked.at(-1), { action: command, resource: { type: 'Group', id: groupId }, wantsPermit: true });
  t.is((await ask('DELETE', `${path}/sales`)).status, 204);
  t.deepEqual(startedOf(world), { command, aggregateId: groupId, input: { ...of, change: 'TAGS_CHANGE_REMOVE' } });
  const renamed = await ask('POST', `${path}/sales:rename`, { name: ' Sales ', merge: true });
  t.like(renamed, { status: 200, body: { id: groupId, tags: ['sales'], carriedTags: [] } });
  t.regex(renamed.headers.get('etag') ?? '', /^"3/);
  const input = { ...of, change: 'TAGS_CHANGE_RENAME', name: 'Sales', merge: true };
  t.deepEqual(startedOf(world), { command, aggregateId: groupId, input });
  await ask('POST', `${path}/sales:rename`, { name: 'x' });
  t.deepEqual(startedOf(world).input, { ...of, change: 'TAGS_CHANGE_RENAME', name: 'x' });
  for (const body of [
    {},
    { name: '' },
    { name: 'a'.repeat(51) },
    { name: '..' },
    { name: 'x', merge: 'yes' },
    { name: 'x', to: 'y' },
  ])
    t.is((await ask('POST', `${path}/sales:rename`, body)).status, 400, JSON.stringify(body));
});

test('a tag is put on a group and on a member, and taken off', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const { hanaId: memberId } = world;
  const [groupId, subgroupId] = [groupOf(world), groupOf(world)];
  const of = { groupId, tag: 'sales' };
  for (const [method, isOn] of [
    ['PUT', true],
    ['DELETE', false],
  ] as const) {
    t.is((await ask(method, `/v1/groups/${groupId}/tags/sales/groups/${subgroupId}`)).status, 204);
    t.deepEqual(startedOf(world), { command: 'group.tag', aggregateId: subgroupId, input: { ...of, isOn, subgroupId } });
    t.is((await ask(method, `/v1/groups/${groupId}/tags/sales/members/${memberId}`)).status, 204);
    t.deepEqual(startedOf(world), { command: 'group.tag', aggregateId: memberId, input: { ...of, isOn, memberId } });
    t.like(world.asked.at(-1), { action: 'group.tag', resource: { type: 'Group', id: groupId } });
  }
});

test('any name of a tag goes through the path, also with a slash, a colon, a dot or what is from right to left', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const groupId = groupOf(world);
  for (const tag of [
    'a/b',
    'a:b',
    'a:rename',
    ':rename',
    '...',
    '50%',
    'a b',
    'a?b#c',
    'תג חדש',
    '営業',
    '👩‍👩‍👧‍👦',
    'あ'.repeat(50),
  ]) {
    const path = `/v1/groups/${groupId}/tags/${encodeURIComponent(tag)}`;
    t.is((await ask('PUT', path)).status, 204, tag);
    t.like(startedOf(world).input, { tag, change: 'TAGS_CHANGE_PUT' });
    t.is((await ask('POST', `${path}:rename`, { name: tag })).status, 200, tag);
    t.like(startedOf(world).input, { tag, name: tag, change: 'TAGS_CHANGE_RENAME' });
    t.is((await ask('DELETE', `${path}/members/${world.hanaId}`)).status, 204, tag);
    t.like(startedOf(world).input, { tag, isOn: false });
  }
  // As it stands a colon is taken where that is clear.
  t.is((await ask('PUT', `/v1/groups/${groupId}/tags/a:b`)).status, 204);
  t.like(startedOf(world).input, { tag: 'a:b' });
  t.is((await ask('PUT', `/v1/groups/${groupId}/tags/a:rename`)).status, 405);
  t.is((await ask('POST', `/v1/groups/${groupId}/tags/a:b:rename`, { name: 'x' })).status, 200);
  t.like(startedOf(world).input, { tag: 'a:b' });
  // The form in which it is kept.
  t.is((await ask('PUT', `/v1/groups/${groupId}/tags/${encodeURIComponent(' か\u3099 ')}`)).status, 204);
  t.like(startedOf(world).input, { tag: 'が' });
});

test('what is no name of a tag is told with its field; of who may not do it, nobody learns more', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const [groupId, other] = [groupOf(world), groupOf(world)];
  const invalid = (message: RegExp) => (answer: Awaited<ReturnType<typeof ask>>, what: string) => {
    t.like(answer, { status: 400, body: { code: 'INVALID_ARGUMENT', errors: [{ in: 'path', field: 'tag' }] } }, what);
    t.regex(answer.body.errors[0].message, message, what);
  };
  for (const [tag, message] of [
    [' ', /a character that is seen/],
    ['\u3000', /a character that is seen/],
    ['a'.repeat(51), /at most 50/],
    ['あ'.repeat(500), /at most 50/],
    ['a\u200bb', /./],
    ['\u202eevil', /./],
  ] as const)
    for (const [method, rest] of [
      ['PUT', ''],
      ['DELETE', ''],
      ['PUT', `/groups/${other}`],
      ['DELETE', `/members/${world.hanaId}`],
    ] as const)
      invalid(message)(
        await ask(method, `/v1/groups/${groupId}/tags/${encodeURIComponent(tag)}${rest}`),
        `${method} ${tag} ${rest}`,
      );
  t.like(world.asked.at(-1), { resource: { id: groupId } });
  t.like(await ask('PUT', `/v1/groups/${groupId}/tags/%20/members/x`), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  t.like(await ask('PUT', `/v1/groups/${groupId}/tags/sales/groups/x%20`), { status: 404, body: { code: 'GROUP_NOT_FOUND' } });
  t.is((await ask('PUT', `/v1/groups/${groupId}/tags/`)).status, 404);
  t.is(world.started.length, 0);
  const { hana: token } = world;
  t.is((await send(world, 'PUT', `/v1/groups/${groupId}/tags/%20`, { token })).status, 404, 'she may not even read it');
  t.is((await send(world, 'PUT', `/v1/groups/${groupId}/tags/%20`, {})).status, 401);
});

test('who may not read a group is told of nothing; nor does anybody learn by a tag where a group is', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const [groupId, hidden] = [groupOf(world), groupOf(world)];
  const requests = [
    ['PUT', '/tags/sales'],
    ['DELETE', '/tags/sales'],
    ['POST', '/tags/sales:rename', { name: 'x' }],
    ['PUT', `/tags/sales/groups/${hidden}`],
    ['DELETE', `/tags/sales/groups/${hidden}`],
    ['PUT', `/tags/sales/members/${world.hanaId}`],
    ['DELETE', `/tags/sales/members/${world.hanaId}`],
  ] as const;
  const answers = async (code: string, status: number) => {
    for (const [method, path, body] of requests)
      t.like(await ask(method, `/v1/groups/${groupId}${path}`, body), { status, body: { code } }, `${method} ${path}`);
  };
  world.refused.push({ actions: ['group.read'], id: hidden });
  for (const method of ['PUT', 'DELETE']) {
    const answer = await ask(method, `/v1/groups/${groupId}/tags/sales/groups/${hidden}`);
    t.like(answer, { status: 404, body: { code: 'GROUP_NOT_FOUND' } });
  }
  world.refused.push({ actions: ['group.change-tags', 'group.tag'] });
  await answers('PERMISSION_DENIED', 403);
  world.refused.push({ actions: ['group.read'] });
  await answers('GROUP_NOT_FOUND', 404);
  t.is(world.started.length, 0);
});

test('groups below one and members of one are listed by a tag, which is a part of what was asked', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const [groupId, tagged, other] = [groupOf(world), newId(), newId()];
  world.groups.set(tagged, groupView(tagged, { parentId: groupId, carriedTags: ['new'] }));
  world.groups.set(other, groupView(other, { parentId: groupId }));
  const ids = async (path: string) => (await ask('GET', path)).body.items.map(({ id }: { id: string }) => id);
  t.deepEqual(await ids(`/v1/groups/${groupId}/subgroups?tag=new`), [tagged]);
  t.deepEqual(await ids('/v1/groups?tag=new'), [tagged]);
  t.like(await ask('GET', `/v1/groups/${tagged}`), { body: { carriedTags: ['new'] } });
  const { body } = await ask('GET', `/v1/groups/${groupId}/members?tag=on%20call`);
  t.deepEqual(body.items[0].tags, ['on call']);
  t.deepEqual(await ids(`/v1/groups/${groupId}/members?tag=new`), []);
  for (const path of [`${groupId}/subgroups`, `${groupId}/members`])
    for (const tag of ['', '%20', 'a'.repeat(51), '%E2%80%8B'])
      t.like(await ask('GET', `/v1/groups/${path}?tag=${tag}`), {
        status: 400,
        body: { errors: [{ in: 'query', field: 'tag' }] },
      });
});

test('no name of a tag, and with it on whom it is, is in the log; the path is, with its IDs', async (t) => {
  const { context: world } = t;
  const ask = asAdmin(world);
  const [groupId, name] = [groupOf(world), 'on-sick-leave'];
  const set = `/v1/groups/${groupId}/tags`;
  const paths = [
    `${set}/${name}`,
    `${set}/${name}/members/${world.hanaId}`,
    `${set}/${name}${'x'.repeat(100)}`,
    `${set}/${name}/nowhere`,
  ];
  for (const path of paths) await ask('PUT', path);
  await send(world, 'PATCH', `${set}/${name}`, { headers: { 'x-request-id': 'mine' } });
  const logged = () => world.lines.filter(({ msg }) => msg === 'request');
  for (let i = 0; logged().length <= paths.length && i < 600; i++) await sleep(50);
  t.deepEqual(
    logged().map(({ path }) => path),
    [`${set}/{tag}`, `${set}/{tag}/members/${world.hanaId}`, `${set}/{tag}`, undefined, undefined],
  );
  t.notRegex(JSON.stringify(world.lines), new RegExp(name));
});

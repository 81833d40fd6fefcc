import { newId } from '#platform/validation/id.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { worldTest } from '../../gateway.fixture.ts';
import { groupView } from '../../group-stand-ins.fixture.ts';
import { getting, ids, organisation } from './organisation.fixture.ts';

const test = worldTest();

const only = (...ids: string[]): Condition => ({ kind: { $case: 'ids', value: { ids } } });

const NOT_FOUND = { status: 404, body: { code: 'GROUP_NOT_FOUND' } };
const DENIED = { status: 403, body: { code: 'PERMISSION_DENIED' } };

test('a group is shown in the words of the API, with an ETag of its version', async (t) => {
  const { context: world } = t;
  const get = getting(world);
  const { one, two } = organisation(world);
  const shown = await get(`/v1/groups/${one.toUpperCase()}`);
  t.is(shown.status, 200);
  t.regex(shown.headers.get('etag') ?? '', /^"7\./);
  const at = '2026-01-02T03:04:05.678Z';
  t.deepEqual(shown.body, {
    id: one,
    parentId: 'root',
    name: '開発部',
    description: '',
    visibility: 'invitation',
    tags: ['sales'],
    carriedTags: [],
    archived: false,
    subgroupCount: 0,
    createdAt: at,
    updatedAt: at,
  });
  t.like((await get(`/v1/groups/${two}`)).body, { archived: true, archivedAt: '2026-03-04T05:06:07.089Z', visibility: 'open' });
  const { body: root } = await get('/v1/groups/root');
  t.like(root, { id: 'root', subgroupCount: 1 });
  t.false('parentId' in root);
  t.like(await get(`/v1/groups/${newId()}`), NOT_FOUND);
  world.groups.set(two, groupView(two, { visibility: 'UNRECOGNIZED' }));
  t.is((await get(`/v1/groups/${two}`)).body.visibility, 'unknown');
});

test('groups are listed by what is asked for, as far as Auth says that they are seen', async (t) => {
  const { context: world } = t;
  const get = getting(world);
  const { one, two } = organisation(world);
  const { query } = world.gateway;
  let asked: unknown;
  world.gateway.query = {
    ...query,
    async listGroups(request, options) {
      asked = request;
      return await query.listGroups(request, options);
    },
  };
  t.deepEqual(ids(await get('/v1/groups')), ['root', one, two]);
  t.deepEqual(ids(await get('/v1/groups?tag=sales')), [one]);
  world.seen = only(one);
  t.deepEqual(ids(await get(`/v1/groups?query=a%20b&tag=sales&memberId=${world.hanaId}&pageSize=7`)), [one]);
  t.like(asked, { query: 'a b', tag: 'sales', ofMemberId: world.hanaId, pageSize: 7, seen: only(one) });
  t.deepEqual(ids(await get(`/v1/members/${world.hanaId}/groups`)), [one]);
  t.like(asked, { query: '', tag: '', ofMemberId: world.hanaId, seen: only(one), membersSeen: only(one) });
  for (const wrong of ['tag=', 'tag=%07', 'query=%00', 'memberId=me', 'pageSize=101', 'pageToken=x'])
    t.is((await get(`/v1/groups?${wrong}`)).status, 400, wrong);
});

test('of a member that may not be read nobody learns in which groups it is', async (t) => {
  const { context: world } = t;
  const get = getting(world);
  organisation(world);
  const nobody = newId();
  t.like(await get(`/v1/members/${nobody}/groups`), { status: 200 });
  world.seen = only();
  t.like(await get(`/v1/members/${nobody}/groups`), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  world.seen = { kind: { $case: 'always', value: true } };
  world.refused = [{ actions: ['member.read'], id: world.hanaId }];
  t.like(await get(`/v1/members/${world.hanaId}/groups`), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  t.deepEqual((await get(`/v1/groups?memberId=${world.hanaId}`)).body, { items: [] });
});

test('in which groups another member is, is told of those only whose members may be seen; each knows its own', async (t) => {
  const { context: world } = t;
  const { one } = organisation(world);
  const { query } = world.gateway;
  const conditions: unknown[] = [];
  world.gateway.query = {
    ...query,
    async listGroups(request, options) {
      conditions.push(request.membersSeen);
      return await query.listGroups(request, options);
    },
  };
  world.seen = only(one);
  const lists = [`/v1/groups?memberId=${world.hanaId}`, `/v1/members/${world.hanaId}/groups`];
  const asked = async (): Promise<unknown[]> => {
    conditions.length = 0;
    for (const path of lists) t.is((await getting(world)(path)).status, 200, path);
    return conditions;
  };
  t.deepEqual(await asked(), [only(one), only(one)]);
  world.refused = [{ actions: ['group.list-members'] }];
  const none = { kind: { $case: 'always', value: false } };
  t.deepEqual(await asked(), [none, none], 'who may see the members of no group');
  const all = { kind: { $case: 'always', value: true } };
  const adminId = [...world.members.keys()].find((id) => id !== world.hanaId) ?? '';
  lists.splice(0, 2, `/v1/groups?memberId=${adminId}`, `/v1/members/${adminId}/groups`);
  t.deepEqual(await asked(), [all, all], 'of itself');
});

test('what is below a group, how far, and what is above it', async (t) => {
  const { context: world } = t;
  const get = getting(world);
  const { one, two } = organisation(world);
  t.deepEqual(ids(await get(`/v1/groups/${one}/subgroups`)), [two]);
  t.deepEqual(ids(await get('/v1/groups/root/subgroups?depth=100&pageSize=10000')), [one]);
  t.deepEqual(ids(await get(`/v1/groups/${two}/ancestors`)), [one]);
  for (const wrong of ['depth=0', 'depth=101', 'depth=x', 'pageSize=10001'])
    t.is((await get(`/v1/groups/root/subgroups?${wrong}`)).status, 400, wrong);
  world.seen = only('root');
  t.deepEqual(ids(await get(`/v1/groups/${two}/ancestors`)), []);
  t.deepEqual(ids(await get(`/v1/groups/${one}/subgroups`)), []);
  // That the group itself may be read is asked by itself; what is listed is held to what may be listed.
  t.true(world.asked.every(({ action, resource }) => action === 'group.list' && resource?.id === ''));
});

test('members of a group are shown with what they are there, and held to the members that are seen', async (t) => {
  const { context: world } = t;
  const get = getting(world);
  const { one, position } = organisation(world);
  const at = '2026-01-02T03:04:05.678Z';
  const { body } = await get(`/v1/groups/${one}/members?positionId=${position}`);
  t.is(body.items.length, 2);
  t.like(body.items[1], { id: world.hanaId, loginId: 'hana', joinedAt: at });
  t.deepEqual(body.items[1].positions, [{ positionId: position, boundAt: at, until: at }]);
  t.deepEqual(
    world.asked.map(({ action, filtered, resource }) => [action, filtered, resource?.id]),
    [
      ['group.list-members', false, one],
      ['member.list', true, ''],
    ],
  );
  world.seen = only(world.hanaId);
  t.deepEqual(ids(await get(`/v1/groups/${one}/members`)), [world.hanaId]);
  t.like(await get(`/v1/groups/${one}/members?positionId=${newId()}`), { status: 404, body: { code: 'POSITION_NOT_FOUND' } });
  world.refused = [{ actions: ['member.list'] }];
  t.like(await get(`/v1/groups/${one}/members`), DENIED);
});

test('positions of a group are listed and read', async (t) => {
  const { context: world } = t;
  const get = getting(world);
  const { one, two, position } = organisation(world);
  const at = '2026-01-02T03:04:05.678Z';
  const shown = {
    id: position,
    groupId: one,
    name: 'lead',
    kind: 'leader',
    permissions: [{ action: 'a', reach: 'subtree' }],
    createdAt: at,
    updatedAt: at,
  };
  t.deepEqual((await get(`/v1/groups/${one}/positions`)).body, { items: [shown] });
  const read = await get(`/v1/groups/${one}/positions/${position}`);
  t.deepEqual(read.body, shown);
  t.regex(read.headers.get('etag') ?? '', /^"1\./);
  for (const path of [`${two}/positions/${position}`, `${one}/positions/${newId()}`])
    t.like(await get(`/v1/groups/${path}`), { status: 404, body: { code: 'POSITION_NOT_FOUND' } });
});

/** Every route that is about a group, with what it needs besides that the group may be read. */
const ABOUT: [path: string, needs?: Action][] = [
  [''],
  ['/subgroups', 'group.list'],
  ['/ancestors', 'group.list'],
  ['/members', 'group.list-members'],
  ['/positions', 'position.list'],
  ['/positions/{positionId}', 'position.list'],
  ['?include=members', 'group.list-members'],
  ['?include=positions', 'position.list'],
  ['?include=ancestors', 'group.list'],
  ['?include=subgroups', 'group.list'],
];
const everyAction: Action[] = ['group.read', 'group.list-members', 'position.list'];

for (const [path, needs] of ABOUT) {
  test(`who may not read a group is told by ${path || 'it'} what it is told of one that is not there`, async (t) => {
    const { context: world } = t;
    const get = getting(world);
    const { one, position } = organisation(world);
    const at = (id: string) => `/v1/groups/${id}${path.replace('{positionId}', position)}`;
    t.is((await get(at(one))).status, 200);
    const missing = await get(at(newId()));
    t.like(missing, NOT_FOUND);
    // All that it may do to the group is to read it, or all but that.
    for (const refused of [['group.read'], everyAction] satisfies Action[][]) {
      world.refused = [{ actions: refused, id: one }];
      const hidden = await get(at(one));
      t.like(hidden, NOT_FOUND, String(refused));
      t.deepEqual({ ...hidden.body, traceId: '' }, { ...missing.body, traceId: '' });
    }
  });

  if (needs)
    test(`who may read a group, and not see ${path}, is refused that`, async (t) => {
      const { context: world } = t;
      const get = getting(world);
      const { one, position } = organisation(world);
      world.refused = [{ actions: [needs] }];
      t.like(await get(`/v1/groups/${one}${path.replace('{positionId}', position)}`), DENIED);
      t.is((await get(`/v1/groups/${one}`)).status, 200, 'the group itself is shown');
    });
}

test('a filter or an order that there is not is refused by what there is, in every list', async (t) => {
  const { context: world } = t;
  const { one } = organisation(world);
  const lists = [
    ['/v1/groups', 'archived', 'createdAt'],
    [`/v1/members/${world.hanaId}/groups`, 'visibility', 'updatedAt desc'],
    [`/v1/groups/${one}/subgroups`, 'updatedAt', 'name desc'],
    [`/v1/groups/${one}/members`, 'joinedAt', 'joinedAt desc'],
    [`/v1/groups/${one}/positions`, 'kind', 'createdAt'],
    [`/v1/groups/${one}/join-requests`, 'requestedAt', 'requestedAt desc'],
    [`/v1/groups/${one}/invitations`, 'expiresAt', 'invitedAt'],
    [`/v1/members/${world.hanaId}/join-requests`, 'state', 'requestedAt'],
    [`/v1/members/${world.hanaId}/invitations`, 'inviterId', 'expiresAt'],
    [`/v1/members/${world.hanaId}/expulsions`, 'expelledAt', 'groupId desc'],
  ] as const;
  const values = {
    archived: 'true',
    visibility: 'open',
    updatedAt: '2026-01-01T00:00:00Z',
    joinedAt: '"2026-01-01T00:00:00Z"',
    kind: 'leader',
    requestedAt: '2026-01-01T00:00:00Z',
    expiresAt: '2026-01-01T00:00:00Z',
    state: 'pending',
    inviterId: 'x',
    expelledAt: '2026-01-01T00:00:00Z',
  };
  for (const [path, field, orderBy] of lists) {
    const asked = (filter: string, orderBy: string) => getting(world)(`${path}?${new URLSearchParams({ filter, orderBy })}`);
    t.is((await asked(`${field} = ${values[field]} AND ${field} != ${values[field]}`, orderBy)).status, 200, path);
    const wrong = await asked(`${field} = ${values[field]} AND parentId = "root"`, 'parentId');
    t.like(wrong, { status: 400, body: { code: 'INVALID_ARGUMENT' } });
    const [ofFilter, ofOrder] = wrong.body.errors;
    t.like(ofFilter, { in: 'query', field: 'filter', code: 'WRONG_FORMAT' });
    t.regex(ofFilter.message, new RegExp(`one of the fields .*${field}.* at character \\d+`));
    t.like(ofOrder, { in: 'query', field: 'orderBy', code: 'NOT_ONE_OF' });
  }
});

import { send } from '../client.fixture.ts';
import { worldTest } from '../gateway.fixture.ts';

const test = worldTest();

const wait = { prefer: 'wait=5' };

test('a member is suspended with a reason or without, and reinstated, and both answer with it as it is', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const path = `/v1/members/${hanaId}`;
  const suspended = await send(world, 'POST', `${path}:suspend`, { token, headers: wait, body: { reason: ' on leave ' } });
  t.is(suspended.status, 200);
  t.like(suspended.body, { id: hanaId, status: 'suspended', suspensionReason: 'on leave' });
  t.regex(suspended.body.suspendedAt, /^\d{4}-.*Z$/);
  t.deepEqual((await send(world, 'GET', path, { token })).body, suspended.body);
  const reinstated = await send(world, 'POST', `${path}:reinstate`, { token, headers: wait });
  t.is(reinstated.status, 200);
  t.is(reinstated.body.status, 'active');
  t.deepEqual([reinstated.body.suspendedAt, reinstated.body.suspensionReason], [undefined, undefined]);
  t.is((await send(world, 'POST', `${path}:suspend`, { token, headers: wait })).status, 200);
  t.is((await send(world, 'POST', `${path}:suspend`, { token, headers: wait, body: {} })).status, 200);
  const byMemberId = [...world.members.keys()].find((id) => id !== hanaId);
  const [first, , bare] = world.started as { input: { reason?: string } }[];
  t.like(first?.input, { memberId: hanaId, byMemberId, reason: 'on leave' });
  t.is(bare?.input.reason, undefined);
});

test('a version that is not the present one is not suspended, and a reason must be a line', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const path = `/v1/members/${hanaId}:suspend`;
  const stale = await send(world, 'POST', path, { token, headers: { ...wait, 'if-match': '"7"' } });
  t.like(stale, { status: 412, body: { code: 'VERSION_MISMATCH' } });
  for (const reason of ['', ' ', 'a\nb', 'x'.repeat(501), 'a\u200bb', 7]) {
    const answer = await send(world, 'POST', path, { token, body: { reason } });
    t.like(answer, { status: 400, body: { errors: [{ in: 'body', field: 'reason' }] } }, JSON.stringify(reason));
  }
});

test('that a member is suspended is shown to who may read it; why, only to who may suspend it', async (t) => {
  const { context: world } = t;
  const { admin, hana, hanaId } = world;
  const suspension = { status: 'SUSPENDED', suspendedAt: new Date(), suspensionReason: 'on leave' };
  for (const [id, member] of world.members) world.members.set(id, { ...member, ...suspension });
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  for (const path of [`/v1/members/${adminId}`, `/v1/members/${hanaId}`]) {
    t.like((await send(world, 'GET', path, { token: admin })).body, { status: 'suspended', suspensionReason: 'on leave' });
    const { body } = await send(world, 'GET', path, { token: hana });
    t.is(body.status, 'suspended');
    t.false('suspensionReason' in body, path);
  }
  const listed = async (token: string) => (await send(world, 'GET', '/v1/members', { token })).body.items as object[];
  t.deepEqual(
    (await listed(admin)).map((item) => 'suspensionReason' in item),
    [true, true],
  );
  t.deepEqual(
    (await listed(hana)).map((item) => 'suspensionReason' in item),
    [false, false],
  );
});

test('of several suspended members each is shown why only to who may suspend that one', async (t) => {
  const { context: world } = t;
  const { admin: token, gateway, hanaId, members } = world;
  const suspension = { status: 'SUSPENDED', suspendedAt: new Date(), suspensionReason: 'on leave' };
  for (const [id, member] of members) members.set(id, { ...member, ...suspension });
  gateway.auth = {
    ...gateway.auth,
    check: async ({ checks }) => ({ allowed: checks.map(({ resource }) => resource?.id === hanaId), stamps: [] }),
  };
  const { items } = (await send(world, 'GET', '/v1/members', { token })).body as { items: { id: string }[] };
  t.is(items.length, 2);
  for (const item of items) t.is('suspensionReason' in item, item.id === hanaId);
});

test('what a newer release says a member is, is shown as unknown', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId, members } = world;
  const member = members.get(hanaId);
  if (member) members.set(hanaId, { ...member, status: 'ARCHIVED' });
  t.is((await send(world, 'GET', `/v1/members/${hanaId}`, { token })).body.status, 'unknown');
});

test('members are listed and read as far as Auth says that they may be seen', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const get = async (path: string) => (await send(world, 'GET', path, { token })) as { status: number; body: Body };
  type Body = { code?: string; id?: string; items?: { id: string }[] };
  const listed = async () => (await get('/v1/members')).body.items?.map(({ id }) => id);
  t.deepEqual(await listed(), [adminId, hanaId]);
  world.seen = { kind: { $case: 'ids', value: { ids: [hanaId] } } };
  t.deepEqual(await listed(), [hanaId]);
  t.like(await get(`/v1/members/${hanaId}`), { status: 200, body: { id: hanaId } });
  for (const path of [`/v1/members/${adminId}`, '/v1/members/me'])
    t.like(await get(path), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  // Each read is one question to Auth, which the gateway filters by; no other route does.
  t.deepEqual(
    world.asked.map(({ action, filtered }) => [action, filtered]),
    ['list', 'list', 'read', 'read', 'read'].map((verb) => [`member.${verb}`, true]),
  );
  const changed = await send(world, 'PATCH', `/v1/members/${adminId}`, { token, headers: wait, body: { displayName: 'Boss' } });
  t.is(changed.status, 202, 'who changed what it may not see is not answered with it');
  t.deepEqual(
    world.asked.slice(-2).map(({ action, filtered }) => [action, filtered]),
    [
      ['member.update', false],
      ['member.read', true],
    ],
  );
});

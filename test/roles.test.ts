import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { admin, type Client, login, register } from './client.ts';

const wait = { prefer: 'wait=30' };
const unique = (word: string): string => `${word} ${randomUUID()}`;

async function made(t: ExecutionContext, as: Client, path: string, body: object): Promise<string> {
  const answer = await as.post(path, body, wait);
  t.is(answer.status, 201, JSON.stringify(answer.body));
  t.is(answer.headers.get('location'), `${path}/${answer.body.id}`);
  return answer.body.id as string;
}
const done = async (t: ExecutionContext, answer: Promise<{ status: number; body: unknown }>, status = 204): Promise<void> => {
  const { status: got, body } = await answer;
  t.is(got, status, JSON.stringify(body));
};
const simple = (actions: string[], resources = ['*'], effect = 'allow') => ({ name: unique('P'), effect, actions, resources });

test('what a role permits is in force when that is acknowledged: given, changed, and taken away', async (t) => {
  const as = await admin();
  const [one, other] = [await register(as), await register(as)];
  const self = await login(one.loginId, one.password);
  const target = `/v1/members/${other.memberId}`;
  const may = async (): Promise<boolean> =>
    (await self.post(`${target}:suspend`, {}, { 'if-match': '"0"', ...wait })).status !== 403;

  const roleId = await made(t, as, '/v1/roles', { name: unique('Warden'), description: 'may suspend' });
  const policyId = await made(t, as, '/v1/policies', simple(['member.suspend']));
  await done(t, as.put(`/v1/members/${one.memberId}/roles/${roleId}`, undefined, wait));
  t.false(await may(), 'the role permits nothing yet');
  await done(t, as.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined, wait), 200);
  t.true(await may());
  await done(
    t,
    as.patch(`/v1/policies/${policyId}`, { effect: 'allow', actions: ['member.reinstate'], resources: ['*'] }, wait),
    200,
  );
  t.false(await may());
  await done(
    t,
    as.patch(`/v1/policies/${policyId}`, { effect: 'allow', actions: ['member.suspend'], resources: ['*'] }, wait),
    200,
  );
  t.true(await may());
  await done(t, as.delete(`/v1/roles/${roleId}/policies/${policyId}`, wait));
  t.false(await may());
  await done(t, as.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined, wait), 200);
  t.true(await may());
  await done(t, as.delete(`/v1/members/${one.memberId}/roles/${roleId}`, wait));
  t.false(await may());
  await done(t, as.put(`/v1/members/${one.memberId}/roles/${roleId}`, undefined, wait));
  t.true(await may());

  const roles = (await as.get(`/v1/members/${one.memberId}/roles`)).body.items as { id: string }[];
  t.deepEqual(new Set(roles.map(({ id }) => id)), new Set(['member', roleId]));
  const holders = (await as.get(`/v1/roles/${roleId}/members`)).body.items as { id: string }[];
  t.deepEqual(
    holders.map(({ id }) => id),
    [one.memberId],
  );
  t.like(await as.delete(`/v1/policies/${policyId}`, wait), { status: 409, body: { code: 'POLICY_IN_USE' } });
  await done(t, as.delete(`/v1/roles/${roleId}`, wait));
  t.false(await may());
  for (const path of [`/v1/roles/${roleId}`, `/v1/roles/${roleId}/members`])
    t.like(await as.get(path), { status: 404, body: { code: 'ROLE_NOT_FOUND' } }, path);
  // Who may not read roles does not learn by who holds them whether there is one.
  const unheld = await made(t, as, '/v1/roles', { name: unique('Unheld') });
  t.like(await as.get(`/v1/roles/${unheld}/members`), { status: 200, body: { items: [] } });
  const [there, nowhere] = await Promise.all(
    [unheld, randomUUID()].map(async (id) => {
      const { status, body } = await self.get(`/v1/roles/${id}/members`);
      return { status, ...body, instance: '' };
    }),
  );
  t.like(there, { status: 404, code: 'ROLE_NOT_FOUND' });
  t.deepEqual(Object.keys(there ?? {}), Object.keys(nowhere ?? {}));
  t.is(there?.detail, nowhere?.detail);
  const nobody = `/v1/members/${randomUUID()}/roles`;
  t.like(await as.get(nobody), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  t.like(await as.put(`${nobody}/member`, undefined, wait), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  const none = `/v1/members/${one.memberId}/roles/${roleId}`;
  t.like(await as.put(none, undefined, wait), { status: 404, body: { code: 'ROLE_NOT_FOUND', errors: [] } });
  await done(t, as.delete(`/v1/policies/${policyId}`, wait));
  t.deepEqual((await as.get(`/v1/members/${one.memberId}`)).body.roleIds, ['member']);
});

test('a policy about the members of a role holds for who is in it, from and until that is acknowledged', async (t) => {
  const as = await admin();
  const [lead, other] = [await register(as), await register(as)];
  const self = await login(lead.loginId, lead.password);
  const target = `/v1/members/${other.memberId}`;
  const may = async (): Promise<boolean[]> => {
    const resource = { type: 'Member', id: other.memberId };
    const checks = { checks: [{ action: 'member.suspend', resource }] };
    const simulation = { memberId: lead.memberId, action: 'member.suspend', resource };
    return [
      (await self.post(`${target}:suspend`, {}, { 'if-match': '"0"', ...wait })).status !== 403,
      (await self.post('/v1/auth/check', checks)).body.results[0].allowed,
      (await as.post('/v1/policies:simulate', simulation)).body.allowed,
    ];
  };
  const staff = await made(t, as, '/v1/roles', { name: unique('Staff') });
  const leads = await made(t, as, '/v1/roles', { name: unique('Leads') });
  const cedar = `permit (principal, action == Musubi::Action::"member.suspend", resource in Musubi::Role::"${staff}");`;
  const policyId = await made(t, as, '/v1/policies', { name: unique('P'), cedar });
  await done(t, as.put(`/v1/roles/${leads}/policies/${policyId}`, undefined, wait), 200);
  await done(t, as.put(`/v1/members/${lead.memberId}/roles/${leads}`, undefined, wait));
  t.deepEqual(await may(), [false, false, false]);
  await done(t, as.put(`${target}/roles/${staff}`, undefined, wait));
  t.deepEqual(await may(), [true, true, true]);
  await done(t, as.delete(`${target}/roles/${staff}`, wait));
  t.deepEqual(await may(), [false, false, false]);
});

test('a deny wins, and a simulation says which policies decide', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const roleId = await made(t, as, '/v1/roles', { name: unique('Muted') });
  const policyId = await made(t, as, '/v1/policies', simple(['member.update'], ['*'], 'deny'));
  const asked = { memberId, action: 'member.update', resource: { type: 'Member', id: memberId } };
  t.deepEqual((await as.post('/v1/policies:simulate', asked)).body, {
    allowed: true,
    policies: [{ policyId: 'member.update-itself', roleId: 'member', ties: [] }],
    positions: [],
  });
  await done(t, as.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined, wait), 200);
  await done(t, as.put(`/v1/members/${memberId}/roles/${roleId}`, undefined, wait));
  const self = await login(loginId, password);
  t.is((await self.patch(`/v1/members/${memberId}`, { displayName: 'x' })).status, 403);
  t.deepEqual((await as.post('/v1/policies:simulate', asked)).body, {
    allowed: false,
    policies: [{ policyId, roleId, ties: [] }],
    positions: [],
  });
  const nothing = await as.post('/v1/policies:simulate', { ...asked, action: 'member.fly' });
  t.deepEqual(nothing.body, { allowed: false, policies: [], positions: [] });
  t.is((await self.post('/v1/policies:simulate', asked)).status, 403);
  t.like(await as.post('/v1/policies:simulate', { ...asked, memberId: randomUUID() }), { status: 404 });
});

test('whose a job is, its record says, also where it is simulated', async (t) => {
  const as = await admin();
  const [one, other] = [await register(as), await register(as)];
  const self = await login(one.loginId, one.password);
  const { jobId } = (await self.patch(`/v1/members/${one.memberId}`, { displayName: unique('Job') })).body;
  const simulated = async (memberId: string) =>
    (await as.post('/v1/policies:simulate', { memberId, action: 'job.read', resource: { type: 'Job', id: jobId } })).body;
  t.deepEqual(await simulated(one.memberId), {
    allowed: true,
    policies: [{ policyId: 'member.own-jobs', roleId: 'member', ties: [] }],
    positions: [],
  });
  t.deepEqual(await simulated(other.memberId), { allowed: false, policies: [], positions: [] });
});

test('nobody gives, or takes away, more than they hold', async (t) => {
  const as = await admin();
  const [one, other] = [await register(as), await register(as)];
  const deputy = await made(t, as, '/v1/roles', { name: unique('Deputy') });
  const strong = await made(t, as, '/v1/roles', { name: unique('Strong') });
  const managing = await made(
    t,
    as,
    '/v1/policies',
    simple(['role.assign', 'role.revoke', 'role.attach-policy', 'role.detach-policy', 'policy.create', 'policy.update']),
  );
  const suspending = await made(t, as, '/v1/policies', simple(['member.suspend']));
  const muting = await made(t, as, '/v1/policies', simple(['member.delete'], ['*'], 'deny'));
  await done(t, as.put(`/v1/roles/${deputy}/policies/${managing}`, undefined, wait), 200);
  for (const policyId of [suspending, muting])
    await done(t, as.put(`/v1/roles/${strong}/policies/${policyId}`, undefined, wait), 200);
  await done(t, as.put(`/v1/members/${one.memberId}/roles/${deputy}`, undefined, wait));
  const self = await login(one.loginId, one.password);
  const refused = async (answer: Promise<{ status: number; body: { code?: string } }>, what: string): Promise<void> => {
    t.like(await answer, { status: 403, body: { code: 'EXCEEDS_OWN_PERMISSIONS' } }, what);
  };
  for (const target of [one, other])
    for (const roleId of [strong, 'admin'])
      await refused(self.put(`/v1/members/${target.memberId}/roles/${roleId}`, undefined, wait), `assign ${roleId}`);
  await refused(self.put(`/v1/roles/${deputy}/policies/${suspending}`, undefined, wait), 'attach to its own role');
  await refused(self.delete(`/v1/roles/${strong}/policies/${muting}`, wait), 'detach what forbids');
  await refused(
    self.post('/v1/policies', { name: unique('Raw'), cedar: 'permit (principal, action, resource);' }, wait),
    'Cedar',
  );
  await refused(
    self.patch(`/v1/policies/${managing}`, { effect: 'allow', actions: ['*'], resources: ['*'] }, wait),
    'what it holds',
  );
  // One of two, so that it is not the last.
  const second = await register(as);
  await done(t, as.put(`/v1/members/${second.memberId}/roles/admin`, undefined, wait));
  await refused(self.delete(`/v1/members/${second.memberId}/roles/admin`, wait), 'lower an admin');
  const named = await made(t, as, '/v1/roles', { name: unique('Named') });
  const cedar = `permit (principal == Musubi::Member::"${other.memberId}", action, resource);`;
  const forOne = await made(t, as, '/v1/policies', { name: unique('P'), cedar });
  await done(t, as.put(`/v1/roles/${named}/policies/${forOne}`, undefined, wait), 200);
  await done(t, as.put(`/v1/members/${one.memberId}/roles/${named}`, undefined, wait));
  await refused(
    self.put(`/v1/members/${other.memberId}/roles/${named}`, undefined, wait),
    'what permits to another, not to itself',
  );
  await done(t, self.put(`/v1/members/${other.memberId}/roles/${deputy}`, undefined, wait));
  await done(t, self.delete(`/v1/members/${other.memberId}/roles/${deputy}`, wait));
  t.is(
    (await self.post('/v1/policies', simple(['member.read']), wait)).status,
    202,
    'a simple one, which no role carries, and which it may not read',
  );
  t.deepEqual((await as.get(`/v1/members/${other.memberId}`)).body.roleIds, ['member']);
});

test('two administrators that lower each other: what one was allowed to begin is looked at again', async (t) => {
  const as = await admin();
  const both = await Promise.all([register(as), register(as)]);
  for (const { memberId } of both) await done(t, as.put(`/v1/members/${memberId}/roles/admin`, undefined, wait));
  const [one, other] = await Promise.all(both.map(({ loginId, password }) => login(loginId, password)));
  const lower = (by: Client | undefined, at: number) => by?.delete(`/v1/members/${both[at]?.memberId}/roles/admin`, wait);
  const answers = await Promise.all([lower(one, 1), lower(other, 0)]);
  const codes = answers.map((answer) => (answer?.status === 204 ? 'done' : answer?.body.code));
  t.true(codes.includes('done'), codes.join());
  for (const code of codes) t.true(['done', 'PERMISSION_REVOKED', 'PERMISSION_DENIED'].includes(code), code);
  for (const [at, code] of codes.entries()) {
    const { roleIds } = (await as.get(`/v1/members/${both[1 - at]?.memberId}`)).body;
    t.is(roleIds.includes('admin'), code !== 'done');
  }
});

test('bad roles and policies are refused by field, and leave nothing', async (t) => {
  const as = await admin();
  const policy = (body: object) => as.post('/v1/policies', { name: unique('Bad'), ...body }, wait);
  const fields = async (answer: Promise<{ status: number; body: { errors?: { field: string }[] } }>): Promise<string[]> => {
    const { status, body } = await answer;
    t.is(status, 400, JSON.stringify(body));
    return (body.errors ?? []).map(({ field }) => field);
  };
  t.deepEqual(await fields(policy({})), ['cedar']);
  t.deepEqual(await fields(policy({ effect: 'allow' })), ['actions', 'resources']);
  t.deepEqual(await fields(policy({ cedar: 'permit (principal, action, resource);', effect: 'allow' })), ['effect']);
  t.deepEqual(await fields(policy({ cedar: 'permit all' })), ['cedar']);
  t.deepEqual(await fields(policy({ cedar: 'permit (principal, action == Musubi::Action::"member.fly", resource);' })), [
    'cedar',
  ]);
  t.deepEqual(
    await fields(
      policy({ cedar: `permit (principal, action, resource) when { ${'('.repeat(4_000)}true${')'.repeat(4_000)} };` }),
    ),
    ['cedar'],
  );
  t.deepEqual(await fields(policy({ cedar: `permit (principal, action, resource) when { ${'!'.repeat(9_000)}true };` })), [
    'cedar',
  ]);
  t.deepEqual(await fields(policy({ cedar: 'x'.repeat(10_001) })), ['cedar']);
  t.deepEqual(await fields(policy(simple(['member.fly']))), ['actions']);
  t.deepEqual(await fields(policy(simple(['member.read'], ['member:"; permit(principal,action,resource);//']))), [
    'resources[0]',
  ]);
  t.like(
    await policy({
      cedar: 'permit (principal, action == Musubi::Action::"member.list", resource) when { resource.owner == principal };',
    }),
    {
      status: 400,
    },
  );
  const name = unique('Named');
  await made(t, as, '/v1/roles', { name });
  t.like(await as.post('/v1/roles', { name: name.toUpperCase() }, wait), { status: 409, body: { code: 'NAME_TAKEN' } });
  for (const path of ['/v1/roles/admin', '/v1/policies/admin.everything'])
    t.like(await as.delete(path, wait), { status: 409, body: { code: 'BUILT_IN' } }, path);
  t.like(await as.put(`/v1/members/${randomUUID()}/roles/member`, undefined, wait), {
    status: 404,
    body: { code: 'MEMBER_NOT_FOUND' },
  });
  const { memberId } = await register(as);
  t.like(await as.put(`/v1/members/${memberId}/roles/${randomUUID()}`, undefined, wait), {
    status: 404,
    body: { code: 'ROLE_NOT_FOUND' },
  });
  t.deepEqual((await as.get(`/v1/members/${memberId}`)).body.roleIds, ['member']);
});

import { newId } from '#platform/validation/id.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { send } from '../../client.fixture.ts';
import { worldTest } from '../../gateway.fixture.ts';

const test = worldTest();

const wait = { prefer: 'wait=5' };

test('who is the member of the path joins, another one is added; each needs a permission of its own', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const groupId = newId();
  const path = (memberId: string) => `/v1/groups/${groupId}/members/${memberId}`;
  t.is((await send(world, 'PUT', path(adminId), { token, headers: wait })).status, 204);
  t.like(world.asked.at(-1), { action: 'group.join', resource: { type: 'Group', id: groupId }, wantsPermit: true });
  t.is(
    (
      await send(world, 'PUT', path(hanaId).toUpperCase().replace('/V1/GROUPS', '/v1/groups').replace('MEMBERS', 'members'), {
        token,
        headers: wait,
      })
    ).status,
    204,
  );
  t.like(world.asked.slice(-2), [
    { action: 'group.add-member', wantsPermit: true },
    { action: 'member.read', filtered: true },
  ]);
  t.like(world.started, [
    { command: 'group.add-member', aggregateId: adminId, input: { groupId, memberId: adminId, byMemberId: adminId } },
    { command: 'group.add-member', aggregateId: hanaId, input: { groupId, memberId: hanaId, byMemberId: adminId } },
  ]);
});

test('whom one may not read is neither added nor invited, as if it was not there; nothing is begun, and one can join', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const groupId = newId();
  const add = (memberId: string) => send(world, 'PUT', `/v1/groups/${groupId}/members/${memberId}`, { token, headers: wait });
  const invite = (memberId: string) =>
    send(world, 'POST', `/v1/groups/${groupId}/invitations`, { token, headers: wait, body: { memberId } });
  const answers = async () => {
    const all = await Promise.all([add(hanaId), add(newId()), invite(hanaId), invite(newId())]);
    return all.map(({ status, body: { traceId, ...body } }) => ({ status, body, isTraced: traceId !== '' }));
  };
  world.seen = { kind: { $case: 'ids', value: { ids: [] } } };
  const hidden = await answers();
  t.like(hidden[0], { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });
  t.deepEqual(new Set(hidden.map((one) => JSON.stringify(one))).size, 1, 'in the same words');
  t.is((await add(adminId)).status, 204);
  t.is(world.started.length, 1);
});

test('a member leaves by itself only, and may name who leads in its place', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const adminId = [...world.members.keys()].find((id) => id !== hanaId) ?? '';
  const path = `/v1/groups/${newId()}/members`;
  const other = await send(world, 'DELETE', `${path}/${hanaId}`, { token, headers: wait });
  t.like(other, { status: 403, body: { code: 'PERMISSION_DENIED' } });
  t.regex(other.body.detail, /:expel/);
  t.is(world.started.length, 0);
  t.is((await send(world, 'DELETE', `${path}/${adminId}?successorId=${hanaId}`, { token, headers: wait })).status, 204);
  t.like(world.asked.at(-1), { action: 'group.leave' });
  t.like(world.started, [{ command: 'group.leave', input: { memberId: adminId, successorId: hanaId } }]);
  t.like(await send(world, 'DELETE', `${path}/${adminId}?successorId=x`, { token }), {
    status: 400,
    body: { errors: [{ in: 'query', field: 'successorId' }] },
  });
  // With one key, another successor is another request.
  const key = { 'idempotency-key': 'leave' };
  const leave = (query: string) => send(world, 'DELETE', `${path}/${adminId}${query}`, { token, headers: key });
  const first = await leave('');
  t.is(first.status, 202);
  t.is((await leave('')).body.jobId, first.body.jobId);
  t.like(await leave(`?successorId=${hanaId}`), { status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
});

test('who may not read a group is told of none by all that is done to who is in it', async (t) => {
  const { context: world } = t;
  const { hana: token, hanaId } = world;
  const path = `/v1/groups/${newId()}/members/${hanaId}`;
  const all = [['PUT', path] as const, ['DELETE', path] as const, ['POST', `${path}:expel`] as const];
  for (const [method, path] of all) {
    const body = method === 'POST' ? { reason: 'x' } : undefined;
    t.like(await send(world, method, path, { token, body }), { status: 404, body: { code: 'GROUP_NOT_FOUND' } }, method);
  }
});

test('a member is put out with a reason', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const path = `/v1/groups/${newId()}/members/${hanaId}:expel`;
  const successorId = newId();
  const given = { reason: ' it is over ', successorId: successorId.toUpperCase() };
  t.is((await send(world, 'POST', path, { token, headers: wait, body: given })).status, 204);
  const byMemberId = [...world.members.keys()].find((id) => id !== hanaId);
  const input = { memberId: hanaId, byMemberId, reason: 'it is over', successorId };
  t.like(world.started, [{ command: 'group.expel-member', input }]);
  for (const body of [{}, { reason: '' }, { reason: 'a\nb' }, { reason: 'x', successorId: 'x' }]) {
    const { status } = await send(world, 'POST', path, { token, body });
    t.is(status, 400, JSON.stringify(body));
  }
});

test('many are added by one job, whose lines say what became of each', async (t) => {
  const { context: world } = t;
  const { admin: token, hana } = world;
  const [groupId, one, none] = [newId(), newId(), newId()];
  const path = `/v1/groups/${groupId}/members:add`;
  const added = await send(world, 'POST', path, { token, headers: wait, body: { memberIds: [one.toUpperCase(), none] } });
  t.like(added, { status: 200, body: { added: 1, already: 0, refused: 1 } });
  t.like(world.asked.at(-1), { action: 'group.add-member', resource: { type: 'Group', id: groupId }, wantsPermit: true });
  t.like(world.started, [{ command: 'group.add-members', aggregateId: groupId, input: { groupId, memberIds: [one, none] } }]);
  const lines = `/v1/jobs/${added.body.jobId}/lines`;
  t.deepEqual((await send(world, 'GET', lines, { token })).body.items, [
    { id: '0', memberId: one, outcome: 'added' },
    { id: '1', memberId: none, outcome: 'refused', error: { code: 'MEMBER_NOT_FOUND', message: 'There is no such member.' } },
  ]);
  t.is((await send(world, 'GET', `${lines}?outcome=refused`, { token })).body.items.length, 1);
  t.is((await send(world, 'GET', `${lines}?outcome=x`, { token })).status, 400);
  t.like(await send(world, 'GET', lines, { token: hana }), { status: 404, body: { code: 'JOB_NOT_FOUND' } });
  world.refused = [{ actions: ['group.list-members'], id: groupId }];
  t.is((await send(world, 'GET', lines, { token })).status, 200, 'who asked for it knows');
  Object.assign(world.jobs.get(added.body.jobId) ?? {}, { memberId: world.hanaId });
  t.like(
    await send(world, 'GET', lines, { token }),
    { status: 403, body: { code: 'PERMISSION_DENIED' } },
    'others may see the job, but not who is in the group',
  );
  world.refused = [];
  t.is((await send(world, 'GET', lines, { token })).status, 200);
  const registered = await send(world, 'PUT', `/v1/groups/${groupId}/members/${world.hanaId}`, { token });
  t.like(await send(world, 'GET', `/v1/jobs/${registered.body.jobId}/lines`, { token }), { status: 200, body: { items: [] } });
});

test('of a job whose history was lost Group tells the sums', async (t) => {
  const { context: world } = t;
  const { admin: token } = world;
  const path = `/v1/groups/${newId()}/members:add`;
  const asked = { token, headers: { 'Idempotency-Key': newId() }, body: { memberIds: [newId()] } };
  const { body } = await send(world, 'POST', path, asked);
  Object.assign(world.jobs.get(body.jobId) ?? {}, { resultJson: '{"id":"x"}', state: JobState.JOB_STATE_COMPLETED });
  const repeated = await send(world, 'POST', path, { ...asked, headers: { ...asked.headers, ...wait } });
  t.like(repeated, { status: 200, body: { jobId: body.jobId, added: 7, already: 2, refused: 1 } });
});

test('a list of 10,000 members is taken; one that is longer, or names a member twice, is refused by its place', async (t) => {
  const { context: world } = t;
  const { admin: token, hanaId } = world;
  const path = `/v1/groups/${newId()}/members:add`;
  const post = (memberIds: string[]) => send(world, 'POST', path, { token, body: { memberIds } });
  const most = Array.from({ length: 10_000 }, newId);
  t.is((await post(most)).status, 202);
  t.is((await post(most.slice(0, 101))).status, 202);
  t.is((await send(world, 'PUT', `/v1/groups/${newId()}/members/${hanaId}`, { token })).status, 202);
  t.deepEqual(world.costs, [100, 2, undefined], 'as so many commands they count');
  const wrong = async (memberIds: string[], field: string, code: string) =>
    t.like(await post(memberIds), { status: 400, body: { code: 'INVALID_ARGUMENT', errors: [{ in: 'body', field, code }] } });
  await wrong([...most, newId()], 'memberIds', 'TOO_LONG');
  await wrong([], 'memberIds', 'TOO_SHORT');
  const [one = ''] = most;
  await wrong([one, newId(), one.toUpperCase()], 'memberIds[2]', 'REPEATED');
  t.like(await send(world, 'POST', path, { token, body: { memberIds: most, name: 'x'.repeat(1024 * 1024) } }), { status: 413 });
});

test('past its pivot such a job is stopped, where others can not be cancelled any more', async (t) => {
  const { context: world } = t;
  const { admin: token, hana, hanaId } = world;
  const groupId = newId();
  const added = await send(world, 'POST', `/v1/groups/${groupId}/members:add`, { token, body: { memberIds: [newId()] } });
  const one = await send(world, 'PUT', `/v1/groups/${groupId}/members/${hanaId}`, { token });
  // Under way, and Temporal says that it is too late.
  for (const { body } of [added, one]) Object.assign(world.jobs.get(body.jobId) ?? {}, { state: JobState.JOB_STATE_APPLIED });
  const cancel = (jobId: string, token: string) => send(world, 'POST', `/v1/jobs/${jobId}:cancel`, { token, headers: wait });
  t.like(await cancel(one.body.jobId, token), { status: 409, body: { code: 'JOB_FINISHED' } });
  t.like(await cancel(added.body.jobId, hana), { status: 404, body: { code: 'JOB_NOT_FOUND' } });
  t.like(await cancel(added.body.jobId, token), { status: 200, body: { id: added.body.jobId, state: 'completed' } });
  t.like(await cancel(added.body.jobId, token), { status: 409, body: { code: 'JOB_FINISHED' } });
});

import { randomUUID } from 'node:crypto';
import test from 'ava';
import { admin, type Client, login, register, unique } from '../client.ts';

// Many members are added to a group by one job, end to end.

const wait = { prefer: 'wait=30' };

async function linesOf(as: Client, jobId: string, query = ''): Promise<Record<string, unknown>[]> {
  const lines: Record<string, unknown>[] = [];
  for (let pageToken = ''; ; ) {
    const { body } = await as.get(`/v1/jobs/${jobId}/lines?pageSize=100${query}${pageToken && `&pageToken=${pageToken}`}`);
    lines.push(...body.items);
    pageToken = body.nextPageToken ?? '';
    if (pageToken === '') return lines;
  }
}

test('each line ends by itself, is told by the job, and is there to be seen when that is completed', async (t) => {
  const as = await admin();
  const one = await register(as);
  const leader = await login(one.loginId, one.password);
  const added = await Promise.all(Array.from({ length: 5 }, () => register(as)));
  const { body: group } = await leader.post('/v1/groups', { name: unique('Many'), visibility: 'invitation' }, wait);
  const nobody = Array.from({ length: 600 }, () => randomUUID());
  const [first, ...others] = added.map(({ memberId }) => memberId);
  const memberIds = [first, ...nobody, one.memberId, ...others];
  const path = `/v1/groups/${group.id}/members:add`;
  const stranger = await login(added[0]?.loginId ?? '', added[0]?.password ?? '');
  t.is((await stranger.post(path, { memberIds })).status, 404, 'of what one does not see');
  const { status, body } = await leader.post(path, { memberIds }, wait);
  t.like({ status, body }, { status: 200, body: { added: 5, already: 1, refused: 600 } });
  const lines = await linesOf(leader, body.jobId);
  t.deepEqual(
    lines.map(({ memberId }) => memberId),
    memberIds,
  );
  t.deepEqual([lines[0]?.outcome, lines[601]?.outcome, lines[605]?.outcome], ['added', 'already', 'added']);
  t.like(lines[1], { outcome: 'refused', error: { code: 'MEMBER_NOT_FOUND' } });
  t.is((await linesOf(leader, body.jobId, '&outcome=added')).length, 5);
  const seen = await leader.get(`/v1/groups/${group.id}/members?pageSize=100`);
  t.deepEqual(
    seen.body.items.map(({ id }: { id: string }) => id).sort(),
    [one.memberId, ...added.map(({ memberId }) => memberId)].sort(),
  );
  t.is((await stranger.get(`/v1/groups/${group.id}`)).status, 200, 'who came in may what members may');
  t.is((await stranger.get(`/v1/jobs/${body.jobId}/lines`)).status, 404);
  const { body: told } = await as.get(`/v1/audit-events?memberId=${first}&action=group.add-member`);
  t.like(told.items, [{ actorId: one.memberId, jobId: body.jobId }], 'who brought it in is known');
  const job = await leader.get(`/v1/jobs/${body.jobId}`);
  t.like(job.body, { state: 'completed', result: { id: group.id, added: 5 } });
  t.like(await leader.post(`/v1/jobs/${body.jobId}:cancel`), { status: 409, body: { code: 'JOB_FINISHED' } });
  await as.post(`/v1/groups/${group.id}:archive`, undefined, wait);
  t.like(await leader.post(path, { memberIds: [first] }, wait), { status: 409, body: { code: 'GROUP_ARCHIVED' } });
});

test('who cancels it half-way stops it: what is done stays, the lines that are left are refused, and all of it is told', async (t) => {
  const as = await admin();
  const { body: group } = await as.post('/v1/groups', { name: unique('Stopped') }, wait);
  const one = await register(as);
  const memberIds = [one.memberId, ...Array.from({ length: 9_999 }, () => randomUUID())];
  const { body, status } = await as.post(`/v1/groups/${group.id}/members:add`, { memberIds });
  t.is(status, 202);
  const path = `/v1/jobs/${body.jobId}`;
  while ((await as.get(`${path}/lines?pageSize=1`)).body.items[0]?.outcome !== 'added');
  t.true([200, 202].includes((await as.post(`${path}:cancel`)).status));
  t.like(await as.finished(body.jobId, 300), { state: 'completed', result: { added: 1, already: 0, refused: 9_999 } });
  const { body: last } = await as.get(`${path}/lines?outcome=refused&pageSize=1`);
  t.like(last.items, [{ id: '1', error: { code: 'MEMBER_NOT_FOUND' } }]);
  const codes = (await linesOf(as, body.jobId)).map(({ error }) => (error as { code: string } | undefined)?.code);
  t.is(codes.length, 10_000);
  t.is(codes.at(-1), 'LINE_CANCELLED');
  const seen = await as.get(`/v1/groups/${group.id}/members`);
  t.true(seen.body.items.some(({ id }: { id: string }) => id === one.memberId));
});

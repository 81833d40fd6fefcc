import { randomUUID } from 'node:crypto';
import test from 'ava';
import { admin, login, register, unique } from '../client.ts';

// Nobody acts on a member that it may not read: it is told what is told of one that is not there.

const wait = { prefer: 'wait=30' };
const NOT_FOUND = { status: 404, body: { code: 'MEMBER_NOT_FOUND' } };

test('whom one may not read is neither invited nor added, as if it was not there, also where it is in the group', async (t) => {
  const as = await admin();
  const [leading, hidden, inIt, seen] = await Promise.all([register(as), register(as), register(as), register(as)]);
  const leader = await login(leading.loginId, leading.password);
  const { body: group } = await leader.post('/v1/groups', { name: unique('Group') }, wait);
  const path = `/v1/groups/${group.id}`;
  const joining = await login(inIt.loginId, inIt.password);
  t.is((await joining.put(`${path}/members/${inIt.memberId}`, undefined, wait)).status, 204, 'it comes by itself');
  const cedar = [hidden, inIt].map(({ memberId }) => `resource == Musubi::Member::"${memberId}"`).join(' || ');
  const forbid = `forbid (principal, action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource) when { ${cedar} };`;
  const policy = await as.post('/v1/policies', { name: unique('Hides'), cedar: forbid }, wait);
  const role = await as.post('/v1/roles', { name: unique('Hides') }, wait);
  t.is((await as.put(`/v1/roles/${role.body.id}/policies/${policy.body.id}`, undefined, wait)).status < 300, true);
  t.is((await as.put(`/v1/members/${leading.memberId}/roles/${role.body.id}`, undefined, wait)).status < 300, true);

  const nobody = randomUUID();
  for (const memberId of [hidden.memberId, inIt.memberId, nobody]) {
    t.like(await leader.put(`${path}/members/${memberId}`, undefined, wait), NOT_FOUND, 'added');
    t.like(await leader.post(`${path}/invitations`, { memberId }, wait), NOT_FOUND, 'invited');
  }
  const memberIds = [hidden.memberId, inIt.memberId, nobody, seen.memberId, leading.memberId];
  const { body: added } = await leader.post(`${path}/members:add`, { memberIds }, wait);
  t.like(added, { added: 1, already: 1, refused: 3 });
  const { body: lines } = await leader.get(`/v1/jobs/${added.jobId}/lines`);
  t.deepEqual(
    lines.items.map(({ outcome, error }: { outcome: string; error?: { code: string } }) => error?.code ?? outcome),
    [...Array.from({ length: 3 }, () => 'MEMBER_NOT_FOUND'), 'added', 'already'],
  );
  const { body: members } = await as.get(`${path}/members?pageSize=100`);
  t.deepEqual(
    members.items.map(({ id }: { id: string }) => id).sort(),
    [leading, inIt, seen].map(({ memberId }) => memberId).sort(),
    'who was in it stays',
  );
});

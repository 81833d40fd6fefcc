import test from 'ava';
import { type Answer, admin, Client, login, register } from './client.ts';

test('a member that floods the system with changes of itself holds up neither others nor its own deletion', async (t) => {
  const as = await admin();
  const [one, other] = [await register(as), await register(as)];
  const flooding = await login(one.loginId, one.password);
  const calm = await login(other.loginId, other.password);
  const codes = new Map<string, number>();
  const count = ({ status, body }: Answer): void => {
    const code = `${status} ${body?.code ?? ''}`.trim();
    codes.set(code, (codes.get(code) ?? 0) + 1);
  };

  const path = `/v1/members/${one.memberId}`;
  const burst = async (): Promise<void> => {
    const patches = Array.from({ length: 100 }, (_, i) => flooding.patch(path, { displayName: `flood ${i}` }));
    for (const answer of await Promise.all(patches)) count(answer);
  };
  const first = burst();
  const changes = await Promise.all(
    ['a', 'b', 'c'].map((displayName) => calm.patch(`/v1/members/${other.memberId}`, { displayName }, { prefer: 'wait=30' })),
  );
  t.deepEqual(
    changes.map(({ status }) => status),
    [200, 200, 200],
  );
  await first;
  t.deepEqual(
    [...codes.keys()].filter((code) => code !== '202' && code !== '429 TOO_MANY_JOBS'),
    [],
  );
  t.true((codes.get('429 TOO_MANY_JOBS') ?? 0) > 0, JSON.stringify([...codes]));

  const second = burst();
  const deleted = await as.delete(path, { prefer: 'wait=30' });
  t.is(deleted.status, 204, JSON.stringify(deleted.body));
  await second;
  // Who came too late was refused at once: 401, for its login is closed first.
  t.deepEqual(
    [...codes.keys()].filter((code) => !['202', '429 TOO_MANY_JOBS', '401 SESSION_REVOKED'].includes(code)),
    [],
  );
  t.is((await flooding.patch(path, { displayName: 'still there' })).status, 401);
  t.is((await as.get(path)).status, 404);
  const gone = await new Client().post('/v1/auth/login', { loginId: one.loginId, password: one.password });
  t.is(gone.status, 401);
});

test('who has too many jobs under way is told when to come again, and may then', async (t) => {
  const as = await admin();
  const { memberId } = await register(as);
  const patch = (displayName: string) => as.patch(`/v1/members/${memberId}`, { displayName });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => patch(`name ${i}`)));
  const accepted = answers.filter(({ status }) => status === 202);
  const refused = answers.filter(({ status }) => status === 429);
  t.is(accepted.length + refused.length, 40);
  t.true(accepted.length >= 8 && refused.length > 0, `${accepted.length}`);
  for (const { body, headers } of refused) {
    t.is(body.code, 'TOO_MANY_JOBS');
    t.is(headers.get('retry-after'), '1');
  }
  for (const { body } of accepted) t.is((await as.finished(body.jobId)).state, 'completed');
  t.is((await patch('after all')).status, 202);
});

test('who may delete itself does, though its own login is closed for that', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const wait = { prefer: 'wait=30' };
  t.is((await as.put(`/v1/members/${memberId}/roles/admin`, undefined, wait)).status, 204);
  const self = await login(loginId, password);
  const deleted = await self.delete(`/v1/members/${memberId}`, wait);
  t.is(deleted.status, 204, JSON.stringify(deleted.body));
  t.is((await as.get(`/v1/members/${memberId}`)).status, 404);
  t.is((await self.get('/v1/members/me')).status, 401);
});

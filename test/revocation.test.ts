import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { admin, type Client, login, register } from './client.ts';

const FINAL = ['completed', 'failed', 'cancelled'];

async function ended(as: Client, jobId: string) {
  for (;;) {
    const { body } = await as.get(`/v1/jobs/${jobId}`);
    if (FINAL.includes(body.state)) return body;
    await sleep(50);
  }
}

/** Changes that wait for each other, so that most are before their pivot for a while. */
async function changesUnderWay(self: Client, memberId: string): Promise<string[]> {
  const patch = (displayName: string) => self.patch(`/v1/members/${memberId}`, { displayName });
  const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => patch(`name ${i}`)));
  return answers.filter(({ status }) => status === 202).map(({ body }) => body.jobId);
}

test('what was asked for in a session that has ended since does not happen any more', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const self = await login(loginId, password);
  const jobIds = await changesUnderWay(self, memberId);
  t.true(jobIds.length > 2);
  t.is((await self.post('/v1/auth/logout')).status, 204);
  const other = await login(loginId, password);
  const jobs = await Promise.all(jobIds.map((jobId) => ended(other, jobId)));
  const revoked = jobs.filter(({ state }) => state === 'failed');
  t.true(revoked.length > 0);
  for (const { error } of revoked) t.is(error.code, 'PERMISSION_REVOKED');
  t.is((await other.patch(`/v1/members/${memberId}`, { displayName: 'free again' }, { prefer: 'wait=30' })).status, 200);
});

test('a member that is suspended changes nothing any more, though it asked before', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const self = await login(loginId, password);
  const jobIds = await changesUnderWay(self, memberId);
  const suspended = await as.post(`/v1/members/${memberId}:suspend`, undefined, { prefer: 'wait=30' });
  t.is(suspended.status, 200, JSON.stringify(suspended.body));
  for (const jobId of jobIds) await ended(as, jobId);
  const etag = suspended.headers.get('etag');
  t.is((await as.get(`/v1/members/${memberId}`)).headers.get('etag'), etag, 'nothing was changed after that was acknowledged');
});

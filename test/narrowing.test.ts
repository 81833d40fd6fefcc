import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { admin, type Client, login, register } from './client.ts';
import { Socket } from './socket.ts';

// Who follows jobs of others by what a role permits, follows them no more once it is acknowledged that the role permits it no more.

const wait = { prefer: 'wait=30' };

async function done(t: ExecutionContext, answer: Promise<{ status: number; body: any }>): Promise<string> {
  const { status, body } = await answer;
  t.true(status < 300 && status !== 202, `${status} ${JSON.stringify(body)}`);
  return body.id;
}

/** Everything that was sent before is here. */
async function settled(socket: Socket): Promise<void> {
  const ref = randomUUID();
  socket.send({ type: 'ping', ref });
  await socket.frame((frame) => frame.type === 'pong' && frame.ref === ref);
}

interface Made {
  as: Client;
  memberId: string;
  roleId: string;
  policyId: string;
}

const simple = (effect: 'allow' | 'deny', action = 'job.read') => ({ effect, actions: [action], resources: ['*'] });
const named = (policy: object) => ({ name: `P ${randomUUID()}`, ...policy });

const WAYS: Record<string, (t: ExecutionContext, made: Made) => Promise<unknown>> = {
  'the role is revoked': (t, { as, memberId, roleId }) => done(t, as.delete(`/v1/members/${memberId}/roles/${roleId}`, wait)),
  'the policy is detached': (t, { as, roleId, policyId }) => done(t, as.delete(`/v1/roles/${roleId}/policies/${policyId}`, wait)),
  'the policy is changed': (t, { as, policyId }) =>
    done(t, as.patch(`/v1/policies/${policyId}`, simple('allow', 'member.read'), wait)),
  'the role is deleted': (t, { as, roleId }) => done(t, as.delete(`/v1/roles/${roleId}`, wait)),
  'the role gets a policy that forbids it': async (t, { as, roleId }) => {
    const policyId = await done(t, as.post('/v1/policies', named(simple('deny')), wait));
    await done(t, as.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined, wait));
  },
  'a role that forbids it is given': async (t, { as, memberId }) => {
    const policyId = await done(t, as.post('/v1/policies', named(simple('deny')), wait));
    const roleId = await done(t, as.post('/v1/roles', { name: `R ${randomUUID()}` }, wait));
    await done(t, as.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined, wait));
    await done(t, as.put(`/v1/members/${memberId}/roles/${roleId}`, undefined, wait));
  },
};

for (const [way, takeAway] of Object.entries(WAYS)) {
  test(`a socket follows jobs of others no more when it is acknowledged that ${way}`, async (t) => {
    const as = await admin();
    const [one, other] = [await register(as), await register(as)];
    const [self, owner] = [await login(one.loginId, one.password), await login(other.loginId, other.password)];
    const policyId = await done(t, as.post('/v1/policies', named(simple('allow')), wait));
    const roleId = await done(t, as.post('/v1/roles', { name: `R ${randomUUID()}` }, wait));
    await done(t, as.put(`/v1/roles/${roleId}/policies/${policyId}`, undefined, wait));
    await done(t, as.put(`/v1/members/${one.memberId}/roles/${roleId}`, undefined, wait));

    // Changes that wait for each other, so that some end after the permission has.
    const patches = Array.from({ length: 6 }, (_, i) => owner.patch(`/v1/members/${other.memberId}`, { displayName: `n ${i}` }));
    const jobIds = (await Promise.all(patches)).map(({ body }) => body.jobId as string);
    const topics = jobIds.map((jobId) => `job:${jobId}`);
    const [socket, administrators] = [await Socket.open(self.token), await Socket.open(as.token)];
    for (const each of [socket, administrators]) {
      each.send({ type: 'subscribe', topics });
      t.deepEqual((await each.frame(({ type }) => type === 'subscribed')).topics, topics);
    }
    await takeAway(t, { as, memberId: one.memberId, roleId, policyId });
    await settled(socket);
    const ends = socket.frames.filter(({ type }) => type === 'unsubscribed');
    t.deepEqual(ends.flatMap((frame) => frame.topics ?? []).sort(), topics.toSorted());
    t.true(ends.every(({ code }) => code === 'PERMISSION_REVOKED'));
    const before = socket.frames.length;

    for (const jobId of jobIds) await owner.finished(jobId);
    await done(t, self.patch(`/v1/members/${one.memberId}`, { displayName: 'still here' }, wait));
    await socket.frame(({ job }) => job?.command === 'member.update' && !jobIds.includes(job.id));
    await settled(socket);
    t.false(
      socket.frames.slice(before).some(({ topic = '' }) => topics.includes(topic)),
      'nothing of them came after',
    );
    t.false(administrators.frames.some(({ type }) => type === 'unsubscribed'));
    for (const each of [socket, administrators]) await each.close();
  });
}

test('the sockets of a member are closed when it is acknowledged that it is deleted', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const socket = await Socket.open((await login(loginId, password)).token);
  await done(t, as.delete(`/v1/members/${memberId}`, wait));
  t.is(await socket.closeCode(1), 4403);
});

import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { address, admin, register } from './client.ts';

test('the Web UI is told of each job what it is, for whom, at which step, and why it failed', async (t) => {
  const as = await admin();
  const one = await register(as);
  const other = await register(as);
  const me = (await as.get('/v1/members/me')).body.memberId;
  const { body } = await as.patch(`/v1/members/${one.memberId}`, { loginId: other.loginId });
  t.is((await as.finished(body.jobId)).state, 'failed');

  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  const handle = new TemporalClient({ connection }).workflow.getHandle(body.jobId);
  // The job ends within the workflow's last task; what the workflow tells of itself is written with that task.
  const failure = await t.throwsAsync(handle.result());
  t.regex(String((failure as { cause?: Error }).cause?.message), /auth service, "rebind login": LOGIN_TAKEN/);
  const description = await handle.describe();
  t.is(description.type, 'member.update');
  t.truthy(await description.staticSummary());
  const details = await description.staticDetails();
  t.true(details?.includes(me) && details.includes(one.memberId), details);
  const attributes = JSON.stringify(description.typedSearchAttributes.getAll());
  for (const value of ['member.update', me, one.memberId, 'LOGIN_TAKEN']) t.true(attributes.includes(value), attributes);
  const metadata = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
  t.regex(metadata.currentDetails, /LOGIN_TAKEN/);
  t.regex(metadata.currentDetails, /undone/);
  await connection.close();
});

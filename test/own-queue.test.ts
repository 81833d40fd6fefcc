import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, Client as TemporalClient } from '@temporalio/client';
import test from 'ava';
import { createLogger } from '#platform/process/log.ts';
import { address, admin, Client, unique } from './client.ts';
import { freshNamespace } from './fresh-namespace.ts';
import { startProgram } from './processes.ts';

test('a domain whose orchestrator is deployed alone: the gateway starts its sagas, and that process alone works on them', async (t) => {
  // Of its own, for the stack's workers share their queue with all domains.
  const namespace = await freshNamespace(createLogger('test', 'silent'), 'own-queue');
  const apart = { MUSUBI_TEMPORAL_NAMESPACE: namespace, MUSUBI_OWN_QUEUES: 'member' };
  const gateway = await startProgram('gateway', [], apart);
  t.teardown(() => gateway.stop());
  const as = new Client((await admin()).token, `http://127.0.0.1:${gateway.ports.http}`);
  const loginId = unique('apart');
  const profile = { loginId, password: 'correct horse battery', displayName: 'one apart', email: `${loginId}@example.com` };
  const { status, body } = await as.post('/v1/members', profile);
  t.is(status, 202);

  const connection = await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  t.teardown(() => connection.close());
  const saga = new TemporalClient({ connection, namespace }).workflow.getHandle(body.jobId);
  t.is((await saga.describe()).taskQueue, 'member');
  await sleep(500);
  const begun = async (): Promise<string[]> =>
    ((await saga.fetchHistory()).events ?? []).flatMap(
      ({ workflowTaskStartedEventAttributes: started }) => started?.identity ?? [],
    );
  t.deepEqual(await begun(), [], 'nobody works on it yet');

  const worker = await startProgram('worker', ['--queues', 'member'], apart);
  t.teardown(() => worker.stop());
  t.is((await as.finished(body.jobId)).state, 'completed');
  const by = await begun();
  t.true(by.length > 0 && by.every((identity) => identity.startsWith(`${worker.child.pid}@`)), by.join());
});

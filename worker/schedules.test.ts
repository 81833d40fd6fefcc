import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import test from 'ava';
import { SCHEDULES } from '../temporal.config.ts';
import { makeSchedules, regular } from './schedules.ts';

// On the real Temporal of the stack, in a namespace of its own.

test('Schedules are made, made again where they are gone, and changed where they are not as declared; a pause stays', async (t) => {
  const connection = await NativeConnection.connect({ address: process.env.MUSUBI_TEMPORAL_ADDRESS ?? '' });
  const namespace = `schedules-${randomUUID()}`;
  const day = { seconds: 86_400 as never };
  await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: day });
  const client = new Client({ connection, namespace });
  const handle = client.schedule.getHandle('upkeep.unfinishedJobs');
  const { everyMs, summary } = SCHEDULES['upkeep.unfinishedJobs'];
  // Not every part of Temporal knows a new namespace at once.
  for (let isKnown = false; !isKnown; )
    isKnown = await makeSchedules(client)
      .then(() => true)
      .catch(() => false);

  await Promise.all([makeSchedules(client), makeSchedules(client)]);
  const made = await handle.describe();
  t.is(made.spec.intervals?.[0]?.every, everyMs);
  t.like(made.action, { workflowType: 'upkeep.unfinishedJobs', taskQueue: 'sagas' });
  t.is(made.state.note, summary, 'what the Web UI shows');
  t.deepEqual(await regular(client, 'upkeep.unfinishedJobs'), { isPaused: false, last: undefined });

  await handle.pause('by the test');
  await handle.update((previous) => ({ ...previous, spec: { intervals: [{ every: '1 hour' }] } }));
  await makeSchedules(client, ['member']);
  const changed = await handle.describe();
  t.is(changed.spec.intervals?.[0]?.every, everyMs);
  t.is(changed.action.taskQueue, 'member');
  t.like(changed.state, { paused: true, note: 'by the test' }, 'operators say why');

  await handle.unpause('by the test');
  await makeSchedules(client, ['member']);
  t.like((await handle.describe()).state, { paused: false, note: summary });
  // As an earlier release declared it.
  const staticSummary = 'an earlier summary';
  await handle.update((previous) => ({ ...previous, action: { ...previous.action, staticSummary } }));
  await makeSchedules(client, ['member']);
  const told = await handle.describe();
  t.is(told.action.staticSummary, summary);
  const { lastUpdatedAt } = told.info;
  await makeSchedules(client, ['member']);
  t.deepEqual((await handle.describe()).info.lastUpdatedAt, lastUpdatedAt, 'nothing is written where all is well');

  await handle.delete();
  // Deleting takes Temporal a moment.
  for (let isThere = false; !isThere; ) {
    await makeSchedules(client).catch(() => undefined);
    isThere = await handle
      .describe()
      .then(() => true)
      .catch(() => false);
  }
  t.false((await handle.describe()).state.paused);
  await handle.delete();
  await connection.close();
});

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Client } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { wheelBinary } from '../local/packages/wheels.ts';
import { registerSearchAttributes } from '../worker/search-attributes.ts';
import { BRANCHES } from '../workflows/branches.fixture.ts';
import { bundleForTest } from '../workflows/bundle.fixture.ts';
import { historyFile, writeHistory } from '../workflows/history.fixture.ts';
import { SagaBench, ScriptedServices } from '../workflows/saga.fixture.ts';

/**
 * `npm run record-histories`: runs every branch (`BRANCHES`) on a real Temporal server and keeps the
 * histories that the replay tests replay. Do it after a change of a saga that no running workflow can meet
 * (a new saga; one whose old versions have all ended); else gate the change by `since(version)` instead.
 *
 * The services are scripted: a history knows only what went into a step and what came out. The server is the
 * one at MUSUBI_TEMPORAL_ADDRESS, or one of its own that lives as long as this takes.
 */
/** In every history instead of this machine's name. */
const IDENTITY = 'record-histories';

Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
const own = process.env.MUSUBI_TEMPORAL_ADDRESS ? undefined : await ownServer();
const connection = await NativeConnection.connect({ address: process.env.MUSUBI_TEMPORAL_ADDRESS ?? own?.address });
const namespace = process.env.MUSUBI_TEMPORAL_NAMESPACE ?? 'default';
await registerSearchAttributes(connection, namespace);
const client = new Client({ connection, namespace, identity: IDENTITY });
const bench = await SagaBench.open(
  connection,
  client,
  await bundleForTest({ workflows: 'replayed.fixture.ts', interceptors: ['short-lists.fixture.ts'] }),
);
try {
  await Promise.all(
    BRANCHES.map(async ({ command, child, branch, script, status }) => {
      const started = await bench.start(child ? 'member.whole' : command, new ScriptedServices(script));
      await started.result().catch(() => undefined);
      const handle = child ? client.workflow.getHandle(`${started.workflowId}/${child}`) : started;
      const ended = (await handle.describe()).status.name;
      if (ended !== status) throw new Error(`${command}, ${branch}: ended ${ended}, not ${status}`);
      const history = await handle.fetchHistory();
      const file = historyFile(command, branch);
      mkdirSync(dirname(file), { recursive: true });
      writeHistory(file, history);
      process.stdout.write(`${command}/${branch}: ${history.events?.length} events\n`);
    }),
  );
} finally {
  await bench.close();
  await connection.close();
  await own?.teardown();
}

async function ownServer(): Promise<TestWorkflowEnvironment> {
  const path = await wheelBinary('temporal');
  return TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
}

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { readOptions } from '../local/options.mjs';
import { stopRequest } from '../local/stop-request.ts';
import { registerSearchAttributes } from '../worker/search-attributes.ts';
import { BRANCHES } from '../workflows/branches.fixture.ts';
import { bundleForTest } from '../workflows/bundle.fixture.ts';
import { historyFile, writeHistory } from '../workflows/history.fixture.ts';
import { localTemporal } from '../workflows/local-temporal.fixture.ts';
import { SagaBench, ScriptedServices } from '../workflows/saga.fixture.ts';

/**
 * `npm run record-histories`: runs every branch (`BRANCHES`) on a real Temporal server and keeps the
 * histories that the replay tests replay. Do it after a change of a saga that no running workflow can meet
 * (a new saga; one whose old versions have all ended); else gate the change by `since(version)` instead.
 *
 * The services are scripted: a history knows only what went into a step and what came out. The server is the
 * one at MUSUBI_TEMPORAL_ADDRESS, or one of its own that lives as long as this takes, however it ends.
 */
/** In every history instead of this machine's name. */
const IDENTITY = 'record-histories';

readOptions('test/record-histories.ts', process.argv.slice(2));
Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
const own = process.env.MUSUBI_TEMPORAL_ADDRESS ? undefined : localTemporal();
let ended: Promise<void> | undefined;
const endOwn = (): Promise<void> => {
  ended ??= (async () => (await own)?.teardown())();
  return ended;
};
const request = stopRequest(() => process.exit(130));
void request.asked.then(endOwn).finally(() => process.exit(130));
try {
  await record(process.env.MUSUBI_TEMPORAL_ADDRESS ?? (await own)?.address);
} catch (error) {
  // What goes wrong because the server is being ended is no news.
  if (!request.signal.aborted) throw error;
} finally {
  await endOwn();
}

async function record(address: string | undefined): Promise<void> {
  const connection = await NativeConnection.connect({ address });
  const namespace = process.env.MUSUBI_TEMPORAL_NAMESPACE ?? 'default';
  await registerSearchAttributes(connection, namespace);
  const client = new Client({ connection, namespace, identity: IDENTITY });
  const bundle = await bundleForTest({ workflows: 'replayed.fixture.ts', interceptors: ['short-lists.fixture.ts'] });
  request.signal.throwIfAborted();
  const bench = await SagaBench.open(connection, client, bundle);
  try {
    await Promise.all(BRANCHES.map((branch) => recordBranch(branch, bench, client)));
  } finally {
    await bench.close();
    await connection.close();
  }
}

async function recordBranch(
  { command, child, branch, script, status }: (typeof BRANCHES)[number],
  bench: SagaBench,
  client: Client,
): Promise<void> {
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
}

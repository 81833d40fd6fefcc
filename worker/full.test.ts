import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import test from 'ava';
import { pino } from 'pino';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import { type OwnServer, ownServer } from '../test/own-server.ts';
import { temporalReadOnly } from '../test/refusals.ts';
import { hostWorkers } from './host.ts';
import { probeStart } from './probe.ts';
import { registerSearchAttributes } from './search-attributes.ts';

// A Temporal of its own whose database takes no writes: the test holds its lock. A full disk is the same to it.

let server: OwnServer;
let address: string;
test.before(async () => {
  server = await ownServer('temporal');
  address = server.addresses.MUSUBI_TEMPORAL_ADDRESS ?? '';
});
test.after.always(() => server.stop());

test.serial('a Temporal that answers, but writes nothing, is away to probes and to commands until it does', async (t) => {
  const log = pino({ level: 'silent' });
  const lifecycle = new Lifecycle(log, 20_000);
  t.teardown(() => lifecycle.stop('tested'));
  const config = { MUSUBI_TEMPORAL_ADDRESS: address, MUSUBI_TEMPORAL_NAMESPACE: 'default' } as never;
  const commands = hostWorkers({ config, log, lifecycle, tracing: startTelemetry('test', {}) }, [], { peers: {} as never });
  lifecycle.markStarted();
  const away = async () => (await lifecycle.unready()).temporal !== undefined;
  const takesCommands = (): boolean => {
    try {
      return commands.requireConnection() ?? true;
    } catch {
      return false;
    }
  };
  await until(async () => !(await away()));

  const end = await temporalReadOnly({ dataDir: join(server.stack.logDir, '..') });
  try {
    await until(away);
    const start = {
      jobId: randomUUID(),
      command: 'member.register' as const,
      memberId: 'admin',
      aggregateId: 'm',
      input: { memberId: 'm', loginId: 'taro', displayName: 'Taro', email: 'taro@example.com', passwordRef: 'ref' },
      summary: 'Register member "taro"',
    };
    await t.throwsAsync(commands.startCommand(start), { code: 'TEMPORAL_UNAVAILABLE' });
    // As long as it lasts, and not by turns.
    for (let look = 0; look < 20; look++) {
      t.false(takesCommands());
      await delay(100);
    }
    t.true(await away());
  } finally {
    await end();
  }
  await until(async () => !(await away()) && takesCommands());
  t.pass();
});

test.serial('a probe leaves nothing behind, and fails without our search attributes', async (t) => {
  const connection = await NativeConnection.connect({ address });
  t.teardown(() => connection.close());
  const client = new Client({ connection, namespace: 'default' });
  await registerSearchAttributes(connection, 'default');
  // Others, that began while nothing could be written, may be there for a minute, and be listed only now.
  for (let turn = 0; turn < 5; turn++) {
    const workflowId = await probeStart(client);
    const isThere = (): Promise<boolean> =>
      client.workflow
        .getHandle(workflowId)
        .describe()
        .then(
          () => true,
          (error: unknown) => !(error instanceof WorkflowNotFoundError),
        );
    await until(async () => !(await isThere()), 'the probe is deleted');
    const query = `WorkflowId = '${workflowId}'`;
    await until(async () => (await client.workflow.count(query)).count === 0, 'the probe is not listed');
  }
  await connection.operatorService.removeSearchAttributes({ namespace: 'default', searchAttributes: ['MusubiAlarm'] });
  await t.throwsAsync(probeStart(client));
  await registerSearchAttributes(connection, 'default');
  await t.notThrowsAsync(probeStart(client));
});

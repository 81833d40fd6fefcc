import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createLogger } from '../platform/process/log.ts';
import { WORKER_TUNING } from '../temporal.config.ts';
import { workflowBundle } from '../worker/bundle.ts';
import { makeWorkflowThreadsLean } from '../worker/workflow-threads.ts';

/** A process that polls these task queues as a host of workers does: `node queues-worker.ts ADDRESS QUEUE…`; says when it does. */
const [address = '', ...queues] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger('ERROR') });
makeWorkflowThreadsLean({ log: createLogger('bench', 'warn') });
const connection = await NativeConnection.connect({ address, grpcCompression: { codec: 'none' } });
const workflows = { codePath: await workflowBundle(false) };
const workers = await Promise.all(
  queues.map((taskQueue) =>
    Worker.create({
      ...WORKER_TUNING,
      connection,
      taskQueue,
      workflowBundle: workflows,
      activities: { nothing: async () => undefined },
    }),
  ),
);
process.send?.('polling');
await Promise.all(workers.map((worker) => worker.run()));

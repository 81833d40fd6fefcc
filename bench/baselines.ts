import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { Caller, keyVariable } from '#platform/grpc/callers.ts';
import { connectPeers } from '#platform/grpc/peers.ts';
import { newId } from '#platform/validation/id.ts';
import { byTemporalName, CONTRACTS, createActivities } from '../activities/index.ts';
import { loadConfig } from '../platform/process/config.ts';
import { Lifecycle } from '../platform/process/lifecycle.ts';
import { createLogger } from '../platform/process/log.ts';
import { calledBy } from '../services/may-call.ts';
import { WORKER_TUNING } from '../temporal.config.ts';
import { sagasShape } from '../worker/config.ts';
import { createTerms } from '../worker/terms.ts';
import { makeWorkflowThreadsLean } from '../worker/workflow-threads.ts';

const LEAN_QUEUE = 'bench-lean';

/** Runs the two baselines in the benchmark's own process, as their client and their worker. */
export interface Baselines {
  /** A change of a member and its login by regular activities, with the SDK as it comes; resolves when the workflow is done. */
  naive(memberId: string, loginId: string): Promise<void>;
  /** A workflow of so many local activities that do nothing, started eagerly, with our settings of the SDK. */
  floor(steps: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startBaselines(): Promise<Baselines> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const log = createLogger('bench', 'warn');
  const lifecycle = new Lifecycle(log, 10_000);
  const config = loadConfig(sagasShape, process.env);
  const peers = connectPeers(CONTRACTS, { config, caller: config.MUSUBI_SAGAS_CALLER_KEY, lifecycle });
  // Jobs are issued by the gateway.
  const gateway = new Caller('gateway', process.env[keyVariable('gateway')] ?? '');
  const { job: issuing } = connectPeers({ job: calledBy('gateway').job }, { config, caller: gateway, lifecycle });
  const taskQueue = 'bench';
  const connection = await NativeConnection.connect({ address: config.MUSUBI_TEMPORAL_ADDRESS });
  const client = new Client({ connection });
  const workOn = (taskQueue: string): Promise<Worker> =>
    Worker.create({
      ...WORKER_TUNING,
      connection,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
      activities: {
        ...byTemporalName(
          createActivities(
            peers,
            createTerms(() => client),
          ),
        ),
        noop: async () => undefined,
      },
    });
  // The naive saga has the SDK as it comes; the floor has our settings, which threads that are made from here on take.
  const asItComes = await workOn(taskQueue);
  makeWorkflowThreadsLean({ log });
  const lean = await workOn(LEAN_QUEUE);
  const running = Promise.all([asItComes.run(), lean.run()]);
  return {
    naive: async (memberId, loginId) => {
      const { job } = await issuing.issueJob({
        command: 'bench.naive',
        memberId: newId(),
        aggregateId: memberId,
        idempotencyKey: '',
        fingerprint: '',
      });
      const jobId = job?.jobId ?? '';
      const changes = { displayName: `naive ${loginId}`, loginId };
      await client.workflow.execute('naiveUpdate', { taskQueue, workflowId: jobId, args: [jobId, { memberId, changes }] });
    },
    floor: async (steps) => {
      await client.workflow.execute('floor', {
        taskQueue: LEAN_QUEUE,
        workflowId: randomUUID(),
        args: [steps],
        requestEagerStart: true,
      });
    },
    stop: async () => {
      for (const worker of [asItComes, lean]) worker.shutdown();
      await running;
      await connection.close();
      await lifecycle.stop('done');
    },
  };
}

import { randomBytes } from 'node:crypto';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { byTemporalName, createActivities, type Peers } from '../../activities/index.ts';
import { connectServices } from '../../bench/baselines.ts';
import { Lifecycle } from '../../platform/lifecycle.ts';
import { createLogger } from '../../platform/log.ts';
import { WORKER_TUNING } from '../../temporal.config.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import { address } from '../client.ts';
import { type Calls, faulty, type Plan } from './faults.ts';
import type { Case } from './sagas.ts';

// What fails here fails on purpose.
Runtime.install({ logger: new DefaultLogger('ERROR') });

/** How a run ended. */
export interface Ended {
  jobId: string;
  state: string;
  code?: string;
  /** The activities that were called, in order. */
  calls: string[];
}

/** The ground that the matrix stands on: the running services, and workers of its own whose steps go wrong as planned. */
export class Ground {
  readonly peers: Peers;
  readonly taskQueue: string;
  readonly #lifecycle = new Lifecycle(createLogger('matrix', 'warn'), 10_000);
  readonly #plans = new Map<string, Plan>();
  readonly #calls: Calls = new Map();
  #connection: NativeConnection | undefined;
  #client: Client | undefined;
  #stopWorker: (() => Promise<void>) | undefined;

  constructor(taskQueue = `matrix-${randomBytes(4).toString('hex')}`) {
    this.taskQueue = taskQueue;
    this.peers = connectServices(this.#lifecycle);
  }

  /** @param worker false: somebody else polls the queue */
  static async open({ worker = true }: { worker?: boolean } = {}): Promise<Ground> {
    const ground = new Ground();
    const connection = await NativeConnection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
    ground.#connection = connection;
    ground.#client = new Client({ connection });
    if (worker)
      ground.#stopWorker = await runWorker(
        connection,
        ground.taskQueue,
        faulty(byTemporalName(createActivities(ground.peers)), ground.#plans, ground.#calls),
      );
    return ground;
  }

  /** Runs a case to the end of its job, with something going wrong on the way or not. */
  async run({ command, input, aggregateId }: Case, plan?: Omit<Plan, 'cancel'>): Promise<Ended> {
    const { job } = await this.peers.job.issueJob({
      command,
      memberId: 'matrix',
      aggregateId,
      idempotencyKey: '',
      fingerprint: '',
    });
    const jobId = job?.jobId ?? '';
    const client = this.#client;
    if (!client) throw new Error('not open');
    if (plan) this.#plans.set(jobId, { ...plan, cancel: () => client.workflow.getHandle(jobId).cancel() });
    await client.workflow.start(command, {
      workflowId: jobId,
      taskQueue: this.taskQueue,
      args: [input],
      // A worker that was killed holds its task for this long.
      workflowTaskTimeout: '3s',
    });
    for (let i = 0; i < 60; i++) {
      const { job: now } = await this.peers.job.awaitJob({ jobId, waitMs: 2_000 });
      if (now && ['JOB_STATE_COMPLETED', 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED'].includes(now.state)) {
        return {
          jobId,
          state: now.state.replace('JOB_STATE_', '').toLowerCase(),
          code: now.error?.code,
          calls: this.#calls.get(jobId) ?? [],
        };
      }
    }
    throw new Error(
      `the job ${jobId} of ${command} does not end; plan: ${JSON.stringify(plan)}; calls: ${this.#calls.get(jobId)?.join(' ')}`,
    );
  }

  async close(): Promise<void> {
    await this.#stopWorker?.();
    await this.#connection?.close();
    await this.#lifecycle.stop('done');
  }
}

/** @returns what stops it */
export async function runWorker(
  connection: NativeConnection,
  taskQueue: string,
  activities: Record<string, unknown>,
): Promise<() => Promise<void>> {
  const worker = await Worker.create({
    ...WORKER_TUNING,
    connection,
    taskQueue,
    workflowBundle: { codePath: await workflowBundle(false) },
    activities,
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
  };
}

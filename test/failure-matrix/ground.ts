import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type { MusubiError } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
import { newId } from '#platform/validation/id.ts';
import { byTemporalName, createActivities } from '../../activities/index.ts';
import { loadConfig } from '../../platform/process/config.ts';
import { Lifecycle } from '../../platform/process/lifecycle.ts';
import { createLogger } from '../../platform/process/log.ts';
import { WORKER_TUNING } from '../../temporal.config.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import { temporalShape } from '../../worker/config.ts';
import { createTerms } from '../../worker/terms.ts';
import { stopped } from '../../workflows/worker-end.fixture.ts';
import { everyPeer } from '../callers.ts';
import { type Calls, faulty, type Plan } from './faults.ts';
import type { Case } from './sagas.ts';

// What fails here fails on purpose.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
  shutdownSignals: [],
});

/** How long another job holds what a saga works on, where one does and the saga does not come to it twice, ms. */
const OCCUPIED_MS = 10_000;

/** How a run ended. */
export interface Ended {
  jobId: string;
  state: string;
  code?: string;
  /** The activities that were called, in order. */
  calls: string[];
}

/** The ground that the matrix stands on: the running services, and a worker of its own whose steps go wrong as planned. */
export class Ground {
  readonly peers: ReturnType<typeof everyPeer>;
  readonly taskQueue = `matrix-${randomBytes(4).toString('hex')}`;
  readonly #lifecycle: Lifecycle;
  readonly #connection: NativeConnection;
  readonly #client: Client;
  readonly #plans = new Map<string, Plan>();
  readonly #calls: Calls = new Map();
  /** Of each saga that something is in the way of: that it is so no more. */
  readonly #freed = new Map<string, Promise<void>>();
  #stopWorker: (() => Promise<void>) | undefined;

  private constructor(connection: NativeConnection, lifecycle: Lifecycle, peers: ReturnType<typeof everyPeer>) {
    this.#connection = connection;
    this.#client = new Client({ connection });
    this.#lifecycle = lifecycle;
    this.peers = peers;
  }

  static async open(): Promise<Ground> {
    const config = loadConfig(temporalShape, process.env);
    const lifecycle = new Lifecycle(createLogger('matrix', 'warn'), 10_000);
    const connection = await NativeConnection.connect({ address: config.MUSUBI_TEMPORAL_ADDRESS });
    return new Ground(connection, lifecycle, everyPeer(lifecycle));
  }

  /** Polls the queue from now on; until then somebody else may. */
  async work(): Promise<void> {
    const activities = faulty(
      byTemporalName(
        createActivities(
          this.peers,
          createTerms(() => this.#client),
        ),
      ),
      this.#plans,
      this.#calls,
    );
    this.#stopWorker = await runWorker(this.#connection, this.taskQueue, activities);
  }

  /** Runs a case to the end of its job, with something going wrong on the way or not. */
  async run(made: Case, plan?: Omit<Plan, 'cancel'>): Promise<Ended> {
    const jobId = await this.issue(made);
    if (plan) this.#plans.set(jobId, { ...plan, cancel: () => this.#client.workflow.getHandle(jobId).cancel() });
    await this.start(made, jobId);
    return await this.ended(jobId);
  }

  /** @returns the ID of the case's job */
  async issue({ command, aggregateId }: Case): Promise<string> {
    // On behalf of a member of its own: how many jobs one may have under way is not what is tried here.
    const issue = { command, memberId: newId(), aggregateId, idempotencyKey: '', fingerprint: '' };
    const { job } = await this.peers.job.issueJob(issue);
    return job?.jobId ?? '';
  }

  async start({ command, input, occupy }: Case, jobId: string): Promise<void> {
    const free = await occupy?.();
    await this.#client.workflow.start(command, {
      workflowId: jobId,
      taskQueue: this.taskQueue,
      args: [input],
      // A worker that was killed holds its task for this long.
      workflowTaskTimeout: '5s',
    });
    if (free) this.#freed.set(jobId, this.#freeOnceMet(jobId, free));
  }

  /** Until a saga has met what another job holds, and comes again; or has ended, as it is in its way no more. */
  async #freeOnceMet(jobId: string, free: () => Promise<unknown>): Promise<void> {
    const comesAgain = (calls: readonly string[] = []): boolean => calls.length > 1 && calls.at(-1) === calls.at(-2);
    const deadline = performance.now() + OCCUPIED_MS;
    while (!comesAgain(this.#calls.get(jobId)) && performance.now() < deadline && !(await this.#final(jobId, 50)))
      await sleep(20);
    // As of any job: what it works on may be held, by that saga, too.
    await until(async () => {
      const failure = await free().then(
        () => undefined,
        (error: MusubiError) => error,
      );
      if (failure && !failure.retryable) throw failure;
      return !failure;
    }, 'another job is over');
  }

  /** Waits until the job has ended, and its workflow with it. */
  async ended(jobId: string): Promise<Ended> {
    const calls = () => this.#calls.get(jobId) ?? [];
    for (let i = 0; i < 60; i++) {
      const now = await this.#final(jobId, 2_000);
      if (now) {
        await this.#client.workflow.result(jobId).catch(() => undefined); // failed, as its job says
        await this.#freed.get(jobId);
        return { jobId, state: now.state.replace('JOB_STATE_', '').toLowerCase(), code: now.error?.code, calls: calls() };
      }
    }
    const plan = JSON.stringify(this.#plans.get(jobId));
    throw new Error(`the job ${jobId} does not end; plan: ${plan}; calls: ${calls().join(' ')}`);
  }

  /** The job if it ends within a time. */
  async #final(jobId: string, waitMs: number) {
    const { job } = await this.peers.job.awaitJob({ jobId, waitMs });
    return job && ['JOB_STATE_COMPLETED', 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED'].includes(job.state) ? job : undefined;
  }

  async close(): Promise<void> {
    await this.#stopWorker?.();
    await this.#connection.close();
    await this.#lifecycle.stop('done');
  }
}

/** @returns what stops it */
export async function runWorker(
  connection: NativeConnection,
  taskQueue: string,
  activities: Record<string, unknown>,
  tuning: Partial<WorkerOptions> = {},
): Promise<() => Promise<void>> {
  const worker = await Worker.create({
    ...WORKER_TUNING,
    ...tuning,
    connection,
    taskQueue,
    workflowBundle: { codePath: await workflowBundle(false) },
    activities,
  });
  const running = worker.run();
  return () => stopped(worker, running);
}

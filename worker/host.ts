import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry-v2';
import { NativeConnection, type Worker } from '@temporalio/worker';
import { connectPeer } from '#platform/grpc/client.ts';
import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import type { Tracing } from '#platform/telemetry.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { QueryServiceService } from '#proto/musubi/query/v1/query.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { createActivities, type Peers } from '../activities/index.ts';
import type { Domain } from '../temporal.config.ts';
import { workflowBundle } from './bundle.ts';
import { type Commands, createCommands } from './client.ts';
import type { TemporalConfig } from './config.ts';
import { installRuntime } from './runtime.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { createWorker } from './worker.ts';

/** What a process needs to take part in Temporal; an `App` whose shape includes `temporalShape` is one. */
export interface HostOptions {
  config: TemporalConfig;
  log: Logger;
  lifecycle: Lifecycle;
  tracing: Tracing;
}

/** How often a Temporal that is away is tried again, ms. */
const RETRY_MS = 1_000;

/**
 * Connects this process to Temporal and polls the given domains' task queues in it. Returns at once:
 * while Temporal is away it keeps trying, and readiness says so.
 *
 * The commands returned use the workers' own connection, so that Temporal hands the first
 * workflow task of a command straight to this process (eager start).
 *
 * @param peers the services that activities call; default: connections of this host's own
 */
export function hostWorkers(app: HostOptions, domains: readonly Domain[], peers: Peers = connectPeers(app)): Commands {
  const host = new Host(app, domains, peers);
  app.lifecycle.onReady('temporal', () => host.check());
  app.lifecycle.onStop('workers', 'intake', () => host.stop());
  void host.run();
  return createCommands(() => host.client, app.log);
}

function connectPeers({ config, lifecycle }: HostOptions): Peers {
  return {
    member: connectPeer(config.MUSUBI_MEMBER_ADDRESS, MemberServiceService, lifecycle),
    role: connectPeer(config.MUSUBI_ROLE_ADDRESS, RoleServiceService, lifecycle),
    auth: connectPeer(config.MUSUBI_AUTH_ADDRESS, AuthServiceService, lifecycle),
    job: connectPeer(config.MUSUBI_JOB_ADDRESS, JobServiceService, lifecycle),
    query: connectPeer(config.MUSUBI_QUERY_ADDRESS, QueryServiceService, lifecycle),
  };
}

class Host {
  /** Set while connected. */
  client: Client | undefined;
  readonly #app: HostOptions;
  readonly #domains: readonly Domain[];
  readonly #peers: Peers;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #workers: Worker[] = [];
  #problem = 'connecting';

  constructor(app: HostOptions, domains: readonly Domain[], peers: Peers) {
    this.#app = app;
    this.#domains = domains;
    this.#peers = peers;
  }

  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Rejects unless Temporal answers and every worker polls. */
  async check(): Promise<void> {
    const { client } = this;
    if (!client) throw new Error(this.#problem);
    await client.withDeadline(Date.now() + 800, () => client.workflowService.getSystemInfo({}));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const worker of this.#workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await this.#running;
  }

  /** Connects and runs the workers, again and again until stopped: a worker that ends by itself has lost its server. */
  async #run(): Promise<void> {
    const { log } = this.#app;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#session();
      } catch (error) {
        this.#problem = error instanceof Error ? error.message : String(error);
        log.warn({ err: error }, 'Temporal is away, or this process cannot work for it; trying again');
      }
      await delay(RETRY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  async #session(): Promise<void> {
    const { config, log, tracing } = this.#app;
    await installRuntime(log);
    const { MUSUBI_TEMPORAL_ADDRESS: address, MUSUBI_TEMPORAL_NAMESPACE: namespace } = config;
    const codePath = await workflowBundle(tracing.exporting, config.MUSUBI_WORKFLOW_BUNDLES);
    // Compression costs CPU on both sides and saves nothing between neighbours.
    const connection = await NativeConnection.connect({ address, grpcCompression: { codec: 'none' } });
    try {
      await registerSearchAttributes(connection, namespace);
      const activities = createActivities(this.#peers);
      this.#workers = await Promise.all(
        this.#domains.map((taskQueue) => createWorker({ connection, namespace, taskQueue, codePath, activities, tracing })),
      );
      const client = new Client({
        connection,
        namespace,
        interceptors: { workflow: [new OpenTelemetryWorkflowClientInterceptor()] },
      });
      const running = Promise.all(this.#workers.map((worker) => worker.run()));
      this.client = client;
      log.info({ address, namespace, queues: this.#domains }, 'polling Temporal');
      if (this.#stopping.signal.aborted) for (const worker of this.#workers) worker.shutdown();
      await running;
    } finally {
      this.client = undefined;
      this.#workers = [];
      await connection.close();
    }
  }
}

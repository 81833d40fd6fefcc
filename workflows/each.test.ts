import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import anyTest, { type TestFn } from 'ava';
import { bundleForTest } from './bundle.fixture.ts';
import { localTemporal } from './local-temporal.fixture.ts';
import { SagaBench, type Script, ScriptedServices, taken } from './saga.fixture.ts';

// Sagas over long lists, on a Temporal of their own: each run of the workflow stays short, and together they are one saga.

const test = (anyTest as TestFn<{ server: TestWorkflowEnvironment; bench: SagaBench; client: Client }>).serial;

test.before(async (t) => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
  const server = await localTemporal();
  const client = new Client({ connection: server.connection });
  const bundle = await bundleForTest({ workflows: 'each.fixture.ts' });
  t.context = { server, client, bench: await SagaBench.open(server.nativeConnection, client, bundle) };
});
test.after.always(async (t) => {
  await t.context.bench?.close();
  await t.context.server?.teardown();
});

const MANY = 1_300;
const memberIds = Array.from({ length: MANY }, (_, i) => `m${i}`);

/** Runs the saga to its end. @returns the runs that it took, each with the number of its events */
async function run({ bench, client }: { bench: SagaBench; client: Client }, services: ScriptedServices) {
  const handle = await bench.startWith('member.many', { memberIds }, services);
  await handle.result().catch(() => undefined);
  const runs: { events: number; handle: WorkflowHandle }[] = [];
  for await (const { runId } of client.workflow.list({ query: `WorkflowId = "${handle.workflowId}"` })) {
    const one = client.workflow.getHandle(handle.workflowId, runId);
    runs.push({ handle: one, events: (await one.fetchHistory()).events?.length ?? 0 });
  }
  return { handle, runs };
}

const keysOf = (services: ScriptedServices, step: string): string[] =>
  services.received.filter(({ name }) => name === step).map(({ request }) => String(request.operationId).split('/').at(-1) ?? '');
/** The steps that were undone, in order, each as `createMember` or with its item's key. */
const undoneOf = (services: ScriptedServices): string[] =>
  services.received
    .filter(({ name }) => name.endsWith('.undo'))
    .map(({ request }) => String(request.operationId).split('/').slice(1).join('/'));
const short = (runs: { events: number }[]): boolean => runs.length > 1 && runs.every(({ events }) => events < 5_000);

test('a step for each of many is done once for each, with a key of its own, in as many runs as it takes', async (t) => {
  const services = new ScriptedServices({});
  const { handle, runs } = await run(t.context, services);
  t.deepEqual(keysOf(services, 'role.assignRoles').sort(), memberIds.toSorted());
  t.deepEqual(keysOf(services, 'auth.removeLogin').sort(), memberIds.map((id) => `m0-${id}`).toSorted());
  for (const step of ['member.createMember', 'auth.grantRoles']) t.is(keysOf(services, step).length, 1, step);
  t.true(short(runs), JSON.stringify(runs.map(({ events }) => events)));
  const total = 2 + 2 * MANY;
  t.like(services.end, { jobId: handle.workflowId, state: 'JOB_STATE_COMPLETED', progress: { done: total, total } });
  t.deepEqual(JSON.parse(String(services.end?.resultJson)), { count: MANY });
  t.is(services.received.filter(({ name }) => name === 'job.finishJob').length, 2, 'applied, then completed');
  const asked = services.received.filter(({ name }) => name === 'query.awaitVersions').map(({ request }) => request.versions);
  t.is(new Set((asked as { id: string }[][]).flat().map(({ id }) => id)).size, MANY, 'each is waited for');
});

/** Refuses the item of this key. */
const refusing =
  (key: string): Script[string] =>
  (_attempt, { operationId }) =>
    String(operationId).endsWith(`/${key}`) ? taken : undefined;

test('one that is refused undoes all that were done, in as many runs as it takes', async (t) => {
  const services = new ScriptedServices({ 'role.assignRoles': refusing('m1210') });
  const { runs } = await run(t.context, services);
  const undone = undoneOf(services);
  t.is(new Set(undone).size, undone.length, 'each once');
  // With those that were under way beside it; what came first comes last.
  const items = undone.flatMap((operation) => /^role.assignRoles\/(.+)/.exec(operation)?.[1] ?? []);
  t.deepEqual(items.toSorted(), memberIds.slice(0, 1_225).toSorted());
  t.deepEqual(services.effects, []);
  t.is(undone.at(-1), 'member.createMember');
  t.true(short(runs), JSON.stringify(runs.map(({ events }) => events)));
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } });
  t.is(services.received.filter(({ name }) => name === 'job.finishJob').length, 1);
});

test('a request to cancel is heard between items, also in a later run; after the pivot it is too late', async (t) => {
  const cancelAt =
    (key: string): Script[string] =>
    async (_attempt, { operationId }, workflow) => {
      if (String(operationId).endsWith(`/${key}`)) await workflow.cancel();
      return undefined;
    };
  const early = new ScriptedServices({ 'role.assignRoles': cancelAt('m1100') });
  await run(t.context, early);
  const done = keysOf(early, 'role.assignRoles').length;
  t.true(done >= 1_100 && done < MANY, String(done));
  t.is(new Set(undoneOf(early)).size, undoneOf(early).length, 'each once');
  t.is(undoneOf(early).at(-1), 'member.createMember');
  t.deepEqual(early.effects, []);
  t.is(early.end?.state, 'JOB_STATE_CANCELLED');

  const late = new ScriptedServices({ 'auth.removeLogin': cancelAt('m0-m50') });
  await run(t.context, late);
  await delay(0);
  t.is(late.end?.state, 'JOB_STATE_COMPLETED');
  t.deepEqual(undoneOf(late), []);
});

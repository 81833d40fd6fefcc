import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { whole } from '#platform/cases.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { bundleForTest } from './bundle.fixture.ts';
import { localTemporal } from './local-temporal.fixture.ts';
import { away, mistaken, PERMIT, SagaBench, type Script, type Scripted, ScriptedServices, taken } from './saga.fixture.ts';

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
/** A child takes long: by default so many that only undoing them takes another run. */
const CHILDREN = whole ? MANY : 260;
const MEMBERS = Array.from({ length: MANY }, (_, i) => `m${i}`);

type Bench = { bench: SagaBench; client: Client };
interface Ran {
  handle: WorkflowHandle;
  /** Every run of every workflow of the job, with the number of its events. */
  runs: { workflowId: string; events: number }[];
}

/** Runs a saga to its end. */
async function run(
  { bench, client }: Bench,
  services: ScriptedServices,
  { command = 'member.many', memberIds = MEMBERS }: { command?: string; memberIds?: string[] } = {},
): Promise<Ran> {
  const handle = await bench.startWith(command, { memberIds }, services);
  await handle.result().catch(() => undefined);
  const { workflowId: jobId } = handle;
  const runs: Ran['runs'] = [];
  for await (const { workflowId, runId, historyLength } of client.workflow.list({ query: `WorkflowId STARTS_WITH "${jobId}"` })) {
    // Of a run that is just closed it is not there yet.
    const events = historyLength || ((await client.workflow.getHandle(workflowId, runId).fetchHistory()).events?.length ?? 0);
    runs.push({ workflowId, events });
  }
  return { handle, runs };
}

const keysOf = (services: ScriptedServices, step: string): string[] =>
  services.received.filter(({ name }) => name === step).map(({ request }) => String(request.operationId).split('/').at(-1) ?? '');

/** Whether no run has a long history, and one of this workflow would have had one. */
function short({ handle: { workflowId: jobId }, runs }: Ran, path = ''): boolean {
  const ofOne = runs.filter(({ workflowId }) => workflowId === `${jobId}${path}`);
  return ofOne.length > 1 && runs.every(({ events }) => events > 0 && events < 5_000);
}
const counted = ({ runs }: Ran): string => JSON.stringify(runs.filter(({ events }) => events > 500));

/** Counts how many of a step are under way at the same time. The first ones wait for each other, until there are as many as can be. */
function counting(full: number): { script: Scripted; most(): number } {
  let [now, most] = [0, 0];
  const script: Scripted = async () => {
    most = Math.max(most, ++now);
    for (let waited = 0; most < full && waited < 500; waited++) await delay(10);
    await delay(5);
    now--;
    return undefined;
  };
  return { script, most: () => most };
}

/** How far the job was said to be between the items of lists, in order. */
const told = ({ received }: ScriptedServices, state: 'RUNNING' | 'COMPENSATING'): { done: number; total: number }[] =>
  received
    .filter(({ name, local, request }) => name === 'job.reportProgress' && !local && request.state === `JOB_STATE_${state}`)
    .map(({ request }) => request.progress as { done: number; total: number });
/** Whether there are so many places at least, each further than the last one. A new run says first where the run before was. */
function grows(places: { done: number; total: number }[], least: number): boolean {
  const isBack = places.some(({ done, total }, at) => done > total || done < (places[at - 1]?.done ?? 0));
  return !isBack && new Set(places.map(({ done }) => done)).size >= least;
}

test('a step for each of many is done once for each, with a key of its own, in as many runs as it takes', async (t) => {
  const [before, after] = [counting(25), counting(25)];
  const services = new ScriptedServices({ 'role.assignRoles': before.script, 'auth.removeLogin': after.script });
  const ran = await run(t.context, services);
  const { handle } = ran;
  t.deepEqual([before.most(), after.most()], [25, 25], 'at the same time, and no more');
  t.true(grows(told(services, 'RUNNING'), 24), JSON.stringify(told(services, 'RUNNING')));
  t.deepEqual(keysOf(services, 'role.assignRoles').sort(), MEMBERS.toSorted());
  t.deepEqual(keysOf(services, 'auth.removeLogin').sort(), MEMBERS.map((id) => `m0-${id}`).toSorted());
  for (const step of ['member.createMember', 'auth.grantRoles']) t.is(keysOf(services, step).length, 1, step);
  t.true(short(ran) && short(ran, '/member.rest'), counted(ran));
  const total = 2 + 2 * MANY;
  t.like(services.end, { jobId: handle.workflowId, state: 'JOB_STATE_COMPLETED', progress: { done: total, total } });
  t.deepEqual(JSON.parse(String(services.end?.resultJson)), { count: MANY });
  t.is(services.received.filter(({ name }) => name === 'job.finishJob').length, 2, 'applied, then completed');
  const shown = services.received.flatMap(({ name, request }) => ('permit' in request ? [[name, request.permit]] : []));
  t.deepEqual(shown, [['auth.grantRoles', PERMIT]], 'in a later run, too');
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
  const ran = await run(t.context, services);
  const { undone } = services;
  t.is(new Set(undone).size, undone.length, 'each once');
  // With those that were under way beside it; what came first comes last.
  const items = undone.flatMap((operation) => /^role.assignRoles\/(.+)/.exec(operation)?.[1] ?? []);
  t.deepEqual(items.toSorted(), MEMBERS.slice(0, 1_225).toSorted());
  t.deepEqual(services.effects, []);
  t.is(undone.at(-1), 'member.createMember');
  t.true(short(ran), counted(ran));
  t.true(grows(told(services, 'COMPENSATING'), 12), JSON.stringify(told(services, 'COMPENSATING')));
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } });
  t.is(services.received.filter(({ name }) => name === 'job.finishJob').length, 1);
});

test('what a saga that was run before has grown to is counted in later runs, too', async (t) => {
  const services = new ScriptedServices({});
  const ran = await run(t.context, services, { command: 'member.grown', memberIds: MEMBERS.slice(0, 1_050) });
  t.true(short(ran), counted(ran));
  const total = 3 + 1_050;
  t.like(services.end, { state: 'JOB_STATE_COMPLETED', progress: { done: total, total } });
});

test('an item that was tried in vain, and may yet arrive, is undone also where another run undoes it', async (t) => {
  const begun = (): number => keysOf(services, 'role.assignRoles').length;
  const services: ScriptedServices = new ScriptedServices({ 'auth.bindLogin': () => (begun() < 600 ? away : mistaken) });
  const ran = await run(t.context, services, { command: 'member.beside', memberIds: MEMBERS.slice(0, 900) });
  t.true(short(ran), counted(ran));
  t.deepEqual(services.effects, []);
  t.true(services.undone.includes('auth.bindLogin/m0'));
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'INTERNAL' } });
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
  t.is(new Set(early.undone).size, early.undone.length, 'each once');
  t.is(early.undone.at(-1), 'member.createMember');
  t.deepEqual(early.effects, []);
  t.is(early.end?.state, 'JOB_STATE_CANCELLED');

  const late = new ScriptedServices({ 'auth.removeLogin': cancelAt('m0-m50') });
  await run(t.context, late);
  await delay(0);
  t.is(late.end?.state, 'JOB_STATE_COMPLETED');
  t.deepEqual(late.undone, []);
});

/** Runs a saga that runs others, and is refused at its pivot when these are done. */
async function refusedAtPivot(
  t: ExecutionContext<Bench>,
  { items, ...saga }: { command: string; items: string[]; memberIds?: string[] },
) {
  const { script, most } = counting(10);
  const services = new ScriptedServices({ 'role.assignRoles': script, 'auth.grantRoles': [taken] });
  const ran = await run(t.context, services, saga);
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } });
  t.deepEqual(services.effects, []);
  t.is(new Set(services.undone).size, services.undone.length, 'each once');
  const done = ['auth.grantRoles', ...items, 'member.createMember'];
  t.deepEqual(services.undone.filter((operation) => done.includes(operation)).toSorted(), done.toSorted());
  t.is(services.undone.at(-1), 'member.createMember');
  t.is(most(), 10, 'at the same time, and no more');
  t.true(grows(told(services, 'RUNNING'), items.length / 550), JSON.stringify(told(services, 'RUNNING')));
  t.true(grows(told(services, 'COMPENSATING'), items.length / 110), JSON.stringify(told(services, 'COMPENSATING')));
  t.true(short(ran), counted(ran));
  return { undone: services.undone, ran };
}

test('a saga that another one runs for each of many is undone side by side, in as many runs as it takes', async (t) => {
  const ids = MEMBERS.slice(0, CHILDREN);
  const steps = ['role.assignRoles', 'auth.bindLogin', 'auth.suspendLogin', 'auth.removeLogin'];
  const items = ids.map((id) => steps.map((step) => `member.part/${id}/${step}`));
  const { undone } = await refusedAtPivot(t, { command: 'member.parts', memberIds: ids, items: items.flat() });
  const places = new Map(undone.map((operation, at) => [operation, at]));
  const isReverse = (item: string[]): boolean =>
    item.every((operation, at) => at === 0 || (places.get(operation) ?? 0) < (places.get(item[at - 1] ?? '') ?? 0));
  t.deepEqual(
    items.filter((item) => !isReverse(item)),
    [],
    'of each the last step first',
  );
});

test('a saga that has a long list of its own is undone with the one that runs it', async (t) => {
  const items = MEMBERS.map((id) => `member.crowd/role.assignRoles/${id}`);
  const { ran } = await refusedAtPivot(t, { command: 'member.around', items });
  t.true(short(ran, '/member.crowd'), counted(ran));
});

test('more items than are handed on, or more at the same time than a history has place for, are a mistake in the saga', async (t) => {
  const { bench } = t.context;
  const { script, most } = counting(26);
  await (await bench.startWith('member.wide', { atOnce: 100 }, new ScriptedServices({ 'role.assignRoles': script }))).result();
  t.true(most() > 25 && most() <= 100, String(most()));
  const wrongAtOnce = (atOnce: number): string =>
    `role.assignRoles: ${atOnce} items can not be under way at the same time, but 1 to 100`;
  // The engine leaves its task to be tried again until a fix is deployed.
  for (const [input, message] of [
    [{ atOnce: 101 }, wrongAtOnce(101)],
    [{ atOnce: 0 }, wrongAtOnce(0)],
    [{ atOnce: 1, count: 10_001 }, 'role.assignRoles: a list has at most 10000 items, not 10001'],
  ] as const) {
    const handle = await bench.startWith('member.wide', input, new ScriptedServices({}));
    const failed = async (): Promise<string | null | undefined> =>
      (await handle.fetchHistory()).events?.flatMap(
        (event) => event.workflowTaskFailedEventAttributes?.failure?.message ?? [],
      )[0];
    await until(async () => (await failed()) || (await handle.describe()).status.name !== 'RUNNING');
    t.is(await failed(), message);
    await handle.terminate('by the test');
  }
});

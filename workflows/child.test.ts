import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { examine } from '../worker/unfinished-jobs.ts';
import { bundleForTest } from './bundle.fixture.ts';
import { localTemporal } from './local-temporal.fixture.ts';
import { at, away, SagaBench, ScriptedServices, taken } from './saga.fixture.ts';

// Sagas that run others, on a Temporal of their own: together they are one saga, of one job.

interface Context {
  server: TestWorkflowEnvironment;
  bench: SagaBench;
  client: Client;
}
const test = (anyTest as TestFn<Context>).serial;
type Test = ExecutionContext<Context>;

test.before(async (t) => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
  const server = await localTemporal();
  const client = new Client({ connection: server.connection });
  const bundle = await bundleForTest({ workflows: 'child.fixture.ts', interceptors: ['patient.fixture.ts'] });
  t.context = { server, client, bench: await SagaBench.open(server.nativeConnection, client, bundle) };
});
test.after.always(async (t) => {
  await t.context.bench?.close();
  await t.context.server?.teardown();
});

const memberIds = ['m0', 'm1', 'm2'];
/** What the saga does, by its operations' IDs within the job; of each member's part, too. */
const ofPart = (key: string): string[] =>
  ['member.createMember', 'role.assignRoles/r1', 'role.assignRoles/r2'].map((step) => `member.part/${key}/${step}`);
const BEFORE = ['auth.bindLogin', ...memberIds.flatMap(ofPart)];
const ALL = [...BEFORE, 'auth.grantRoles', 'member.rest/member.activateMember'];

const start = ({ context: { bench } }: Test, services: ScriptedServices): Promise<WorkflowHandle> =>
  bench.startWith('member.whole', { memberIds, memberId: 'm0' }, services);
async function run(t: Test, services: ScriptedServices): Promise<WorkflowHandle> {
  const handle = await start(t, services);
  await handle.result().catch(() => undefined);
  return handle;
}

const endsOf = ({ received }: ScriptedServices): number =>
  received.filter(({ name, request }) => name === 'job.finishJob' && request.state !== 'JOB_STATE_APPLIED').length;

/** The aggregates that queries must see before the job ends. */
const waitedFor = ({ received }: ScriptedServices): Set<string> => {
  const asked = received.filter(({ name }) => name === 'query.awaitVersions').flatMap(({ request }) => request.versions);
  return new Set((asked as { id: string }[]).map(({ id }) => id));
};

test('they are run under the same job, each with its own workflow, and are one job', async (t) => {
  const services = new ScriptedServices({});
  const handle = await run(t, services);
  t.deepEqual(services.effects, ALL.toSorted());
  t.like(services.end, { jobId: handle.workflowId, state: 'JOB_STATE_COMPLETED', progress: { done: 12, total: 12 } });
  t.deepEqual(JSON.parse(String(services.end?.resultJson)), { id: 'm0' });
  t.is(endsOf(services), 1);
  for (const id of [...memberIds, 'm1-r1', 'm2-r2']) t.true(waitedFor(services).has(id), `${id} is waited for`);
  const child = await t.context.client.workflow.getHandle(`${handle.workflowId}/member.part/m1`).describe();
  t.is(child.parentExecution?.workflowId, handle.workflowId);
  t.is(child.typedSearchAttributes.get(SEARCH_ATTRIBUTES.aggregate), 'm0', 'found by what the job is found by');
});

test('a saga that is refused undoes those that it ran, the last first', async (t) => {
  const services = new ScriptedServices({ 'auth.grantRoles': [taken] });
  const handle = await run(t, services);
  t.deepEqual(services.effects, []);
  const undone = services.undone.filter((operation) => BEFORE.includes(operation));
  t.deepEqual(undone.toSorted(), BEFORE.toSorted());
  t.is(undone.at(-1), 'auth.bindLogin');
  // Side by side.
  for (const id of memberIds) {
    const ofOne = undone.filter((operation) => operation.startsWith(`member.part/${id}/`));
    t.deepEqual(ofOne, ofPart(id).toReversed());
  }
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } });
  t.is(endsOf(services), 1);
  t.like(await handle.result(), { refused: { code: 'LOGIN_TAKEN', step: 'grant roles' } });
});

test('one that is refused undoes itself, and so does the saga that ran it, for the same reason', async (t) => {
  const services = new ScriptedServices({ 'role.assignRoles': at('member.part/m1/role.assignRoles/r2', () => taken) });
  const handle = await run(t, services);
  t.deepEqual(services.effects, []);
  t.is(services.undone.at(-1), 'auth.bindLogin');
  t.false(services.received.some(({ name }) => name === 'auth.grantRoles'));
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } });
  t.is(endsOf(services), 1);
  t.like(await handle.result(), { refused: { code: 'LOGIN_TAKEN', step: 'assign roles' } });
  const ran = services.received.filter(({ name }) => name === 'job.reportProgress').map(({ request }) => request.jobId);
  t.deepEqual([...new Set(ran)], [handle.workflowId], 'the job is told of it, whoever does it');
});

test('a request to cancel reaches those that are run', async (t) => {
  const cancel = at('member.part/m1/role.assignRoles/r1', async (_: number, __: unknown, workflow: WorkflowHandle) => {
    await workflow.cancel();
    return away;
  });
  const services = new ScriptedServices({ 'role.assignRoles': cancel });
  await run(t, services);
  t.deepEqual(services.effects, []);
  t.is(services.end?.state, 'JOB_STATE_CANCELLED');
  t.is(endsOf(services), 1);
});

test('one beside which something is refused is cancelled, however long it would have gone on', async (t) => {
  const isHeld = (): boolean => services.received.some(({ name, local }) => name === 'role.assignRoles' && !local);
  const services: ScriptedServices = new ScriptedServices({
    'role.assignRoles': [away],
    'auth.bindLogin': () => (isHeld() ? taken : away),
  });
  const handle = await t.context.bench.startWith('member.beside', { memberId: 'm0' }, services);
  t.like(await handle.result(), { refused: { code: 'LOGIN_TAKEN', step: 'bind login' } });
  t.deepEqual(services.effects, []);
  const child = await t.context.client.workflow.getHandle(`${handle.workflowId}/member.part`).describe();
  t.is(child.status.name, 'CANCELLED');
});

for (const end of ['done', 'refused'] as const) {
  test(`one that is closed from outside is begun again, and nothing is done twice: ${end}`, async (t) => {
    let closed = false;
    const terminate = at('member.part/m1/role.assignRoles/r1', async (_: number, __: unknown, { workflowId }: WorkflowHandle) => {
      if (closed) return undefined;
      if (isLocal(services)) return away;
      closed = true;
      await t.context.client.workflow.getHandle(`${workflowId}/member.part/m1`).terminate('by the test');
      return undefined;
    });
    const services = new ScriptedServices({
      'role.assignRoles': terminate,
      ...(end === 'refused' ? { 'auth.grantRoles': [taken] } : {}),
    });
    await run(t, services);
    t.deepEqual(services.effects, end === 'done' ? ALL.toSorted() : []);
    t.is(services.end?.state, end === 'done' ? 'JOB_STATE_COMPLETED' : 'JOB_STATE_FAILED');
  });
}

/**
 * Whether what is asked just now is asked within a workflow task. Nobody closes a workflow then: its task would go on
 * without it, and the SDK may not survive that.
 */
const isLocal = ({ received }: ScriptedServices): boolean => received.at(-1)?.local ?? false;

/** Starts the saga and waits until it is held at one operation, whose service is away from then on. */
async function startAndHold(
  t: Test,
  operation: string,
): Promise<{ handle: WorkflowHandle; goOn(): void; services: ScriptedServices }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isHeld = true;
  const hold = at(operation, () => {
    if (!isLocal(services)) resolve();
    return isHeld ? away : undefined;
  });
  const services = new ScriptedServices({ 'role.assignRoles': hold, 'member.activateMember': hold });
  const handle = await start(t, services);
  await promise;
  const goOn = (): void => {
    isHeld = false;
  };
  return { handle, services, goOn };
}

/** What a repair finds of the job of a workflow. */
const find = ({ context: { client } }: Test, { workflowId: jobId }: WorkflowHandle) =>
  examine({ client, job: {} as never }, { jobId, command: 'member.whole', aggregateId: 'm0' } as never);

for (const [child, operation] of [
  ['member.part/m1', 'member.part/m1/role.assignRoles/r1'],
  ['member.rest', 'member.rest/member.activateMember'],
] as const) {
  test(`a saga that is closed from outside is closed with those that it runs, and goes on with them: at ${operation}`, async (t) => {
    const { handle, services, goOn } = await startAndHold(t, operation);
    await handle.terminate('by the test');
    const closed = t.context.client.workflow.getHandle(`${handle.workflowId}/${child}`).result();
    t.is((await t.throwsAsync<WorkflowFailedError>(closed)).cause?.name, 'TerminatedFailure');
    const { repair, apply } = await find(t, handle);
    t.is(repair, 'reset');
    await apply();
    goOn();
    await t.context.client.workflow.getHandle(handle.workflowId).result();
    t.deepEqual(services.effects, ALL.toSorted());
    t.is(services.end?.state, 'JOB_STATE_COMPLETED');
    t.is(endsOf(services), 1);
  });
}

/** Ends the job of a saga that is held, its history and those of what it ran being lost. */
async function loseAndRecover(t: Test, operation: string): Promise<{ services: ScriptedServices; handle: WorkflowHandle }> {
  const { handle, services, goOn } = await startAndHold(t, operation);
  const { client, bench } = t.context;
  await handle.terminate('by the test');
  goOn();
  await delay(100);
  const input = { command: 'member.whole', aggregateId: 'm0', undoing: false };
  await client.workflow.start('member.recover', { workflowId: handle.workflowId, taskQueue: 'bench', args: [input] });
  bench.serve(handle, services);
  await client.workflow.getHandle(handle.workflowId).result();
  return { services, handle };
}

test('where its history is lost, what those that it ran had done is undone, item by item', async (t) => {
  const { services } = await loseAndRecover(t, 'member.part/m1/role.assignRoles/r1');
  t.deepEqual(services.effects, []);
  const undone = services.undone;
  t.true(undone.includes('member.part/m0/role.assignRoles/r2'));
  t.is(undone.at(-1), 'auth.bindLogin');
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'JOB_LOST' } });
});

test('past its pivot, they are run to their end', async (t) => {
  const { services } = await loseAndRecover(t, 'member.rest/member.activateMember');
  t.deepEqual(services.effects, ALL.toSorted());
  for (const id of [...memberIds, 'm1-r1', 'm2-r2']) t.true(waitedFor(services).has(id), `${id} is waited for`);
  t.is(services.end?.state, 'JOB_STATE_COMPLETED');
});

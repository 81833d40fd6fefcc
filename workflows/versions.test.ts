import { Client, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import anyTest, { type TestFn } from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
import { bundleForTest } from './bundle.fixture.ts';
import { localTemporal } from './local-temporal.fixture.ts';
import { busy, knowing, mistaken, SagaBench, ScriptedServices, taken } from './saga.fixture.ts';
import { INPUT } from './versions/input.fixture.ts';

// A saga that is changed while runs of it go on: those end as what they began as, and new ones are of the new version.
// On a Temporal of its own, in real time: the time-skipping one keeps the tasks of a worker that has gone.

type Code = { code: string };
const RELEASES = ['first', 'second', 'ungated', 'ordered', 'reordered'] as const;
interface Context {
  server: TestWorkflowEnvironment;
  code: Record<(typeof RELEASES)[number], Code>;
}
const test = (anyTest as TestFn<Context>).serial;

test.before(async (t) => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {} } } });
  const server = await localTemporal();
  const bundles = RELEASES.map(async (name) => {
    const code = await bundleForTest({ workflows: `versions/${name}.fixture.ts`, interceptors: ['patient.fixture.ts'] });
    return [name, code] as const;
  });
  t.context = { server, code: Object.fromEntries(await Promise.all(bundles)) as Context['code'] };
});
test.after.always((t) => t.context.server?.teardown());

const open = ({ nativeConnection, connection }: TestWorkflowEnvironment, code: Code): Promise<SagaBench> =>
  SagaBench.open(nativeConnection, new Client({ connection }), code);
const ended = (handle: WorkflowHandle): Promise<unknown> => handle.result().catch(() => undefined);

const STEPS = {
  first: ['createMember', 'bindLogin', 'grantRoles'],
  second: ['createMember', 'bindLogin', 'assignRoles', 'grantRoles'],
};

/** Starts a run that comes to a stop where it waits for others, on its first worker for good. */
async function startAndWait(bench: SagaBench, services: ScriptedServices, command = 'member.changing'): Promise<WorkflowHandle> {
  const handle = await bench.startWith(command, INPUT, services);
  await until(async () => ((await handle.describe()).raw.pendingActivities ?? []).length !== 0);
  return handle;
}

/** Others are at the login while `isBusy` says so; `grantRoles` is refused where the run shall be undone. */
const script = (isBusy: () => boolean, refused: boolean) =>
  new ScriptedServices({
    'auth.bindLogin': () => (isBusy() ? busy : undefined),
    ...(refused ? { 'auth.grantRoles': [taken] } : {}),
  });

for (const refused of [false, true]) {
  test(`a run of the first version ${refused ? 'is undone' : 'ends'} as one, beside a new one of the second`, async (t) => {
    const { server, code } = t.context;
    let isBusy = true;
    const [old, fresh] = [script(() => isBusy, refused), script(() => false, refused)];
    const first = await open(server, code.first);
    const begun = await startAndWait(first, old);
    await first.close();

    isBusy = false;
    const second = await open(server, code.second);
    second.serve(begun, old);
    await ended(begun);
    const next = await second.startWith('member.changing', INPUT, fresh);
    await ended(next);
    await second.close();

    const done = (services: ScriptedServices): string[] => [
      ...new Set(services.steps.filter((step) => !step.startsWith('undo'))),
    ];
    const undone = (services: ScriptedServices): string[] => services.steps.filter((step) => step.startsWith('undo'));
    const undosOf = (steps: string[]): string[] => (refused ? steps.toReversed().map((step) => `undo ${step}`) : []);
    t.deepEqual([done(old), undone(old)], [STEPS.first, undosOf(STEPS.first)]);
    t.deepEqual([done(fresh), undone(fresh)], [STEPS.second, undosOf(STEPS.second)]);
    t.like(old.end, { progress: refused ? { done: 2, total: 3 } : { done: 3, total: 3 } });
    t.like(fresh.end, { progress: refused ? { done: 3, total: 4 } : { done: 4, total: 4 } });
  });
}

interface End {
  /** What is done to the run. */
  act?(handle: WorkflowHandle): Promise<unknown>;
  /** What the service answers that it waits for. */
  answer?: MusubiError;
  state: string;
}
const ENDS: Record<string, End> = {
  cancelled: { act: (handle) => handle.cancel(), state: 'JOB_STATE_CANCELLED' },
  failed: { answer: mistaken, state: 'JOB_STATE_FAILED' },
  lost: { act: (handle) => handle.terminate('by the test'), state: 'JOB_STATE_FAILED' },
};

for (const [end, { act, answer, state }] of Object.entries(ENDS)) {
  test(`a run of another order that ran another saga is undone in its own order, with what that one did: ${end}`, async (t) => {
    const { server, code } = t.context;
    let now: MusubiError | undefined = busy;
    const services = new ScriptedServices({ 'auth.bindLogin': () => now });
    const first = await open(server, code.ordered);
    const begun = await startAndWait(first, services, 'member.ordered');
    t.deepEqual(services.effects, ['member.createMember', 'member.part/role.assignRoles']);
    await first.close();

    const second = await open(server, code.reordered);
    second.serve(begun, services);
    await act?.(begun);
    now = answer;
    await ended(begun);
    if (end === 'lost') {
      const input = { command: 'member.ordered', aggregateId: 'm', undoing: false };
      const again = { workflowId: begun.workflowId, taskQueue: 'bench', args: [input] };
      await ended(await new Client({ connection: server.connection }).workflow.start('saga.recover', again));
    }
    await second.close();
    t.deepEqual(services.effects, []);
    t.deepEqual(services.undone, ['auth.grantRoles', 'auth.bindLogin', 'member.part/role.assignRoles', 'member.createMember']);
    t.is(services.end?.state, state);
  });
}

test('where the history is lost, a run is of the version that fits what was done', async (t) => {
  const { server, code } = t.context;
  const bench = await open(server, code.reordered);
  // The newest version binds the login first.
  const services = knowing(['member.createMember']);
  const input = { command: 'member.ordered', aggregateId: 'm', undoing: false };
  await ended(await bench.startWith('saga.recover', input, services));
  await bench.close();
  t.deepEqual(services.undone, ['auth.grantRoles', 'auth.bindLogin', 'member.part/role.assignRoles', 'member.createMember']);
});

test('a replay tells a change that is gated from one that is not', async (t) => {
  const { server, code } = t.context;
  const bench = await open(server, code.first);
  const handle = await bench.startWith('member.changing', INPUT, new ScriptedServices({}));
  await ended(handle);
  await bench.close();
  const history = await handle.fetchHistory();
  const replay = (workflowBundle: { code: string }) => Worker.runReplayHistory({ workflowBundle }, history);
  await t.notThrowsAsync(replay(code.second));
  await t.throwsAsync(replay(code.ungated), { name: 'DeterminismViolationError' });
});

test('an attempt that ends with its worker is no request to cancel: it is made again elsewhere', async (t) => {
  const { server } = t.context;
  const bench = await open(server, await bundleForTest({ interceptors: ['stopped-attempt.fixture.ts'] }));
  for (const [refused, end] of [
    [false, { state: 'JOB_STATE_COMPLETED' }],
    [true, { state: 'JOB_STATE_FAILED', error: { code: 'LOGIN_TAKEN' } }],
  ] as const) {
    const services = script(() => false, refused);
    const handle = await bench.start('member.register', services);
    await ended(handle);
    t.like(services.end, end);
    t.true(services.received.every(({ local }) => !local));
  }
  await bench.close();
});

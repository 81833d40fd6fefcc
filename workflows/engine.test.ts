import type { WorkflowHandle } from '@temporalio/client';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { CommandName } from './commands.ts';
import { answerOf, attributesOf, failureOf } from './observe.fixture.ts';
import { away, busy, defect, mistaken, notVisible, PERMIT, revoked, ScriptedServices, taken, undone } from './saga.fixture.ts';
import type { SagaDeclaration } from './saga.ts';
import * as sagas from './sagas.ts';
import { countEvents, TimeSkipping } from './time-skipping.fixture.ts';

// What all sagas share, on Temporal's time-skipping server: how they wait, undo, end and tell of it.

// One after the other: they share the server's clock.
const test = (anyTest as TestFn<{ time: TimeSkipping }>).serial;
type Test = ExecutionContext<{ time: TimeSkipping }>;

test.before(async (t) => {
  t.context = { time: await TimeSkipping.open() };
});
test.after.always((t) => t.context.time?.close());

const run = (t: Test, command: CommandName, services: ScriptedServices): Promise<WorkflowHandle> =>
  t.context.time.run(command, services);

test('a service that comes back in time costs nothing but time, and the job shows where it waits', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': (attempt) => (attempt <= 7 ? away : {}) });
  const handle = await run(t, 'member.register', services);
  t.is(services.end?.state, 'JOB_STATE_COMPLETED');
  const report = services.received.find(({ name }) => name === 'job.reportProgress')?.request;
  t.like(report, {
    jobId: handle.workflowId,
    state: 'JOB_STATE_RUNNING',
    progress: { done: 1, total: 6, step: 'bind login', attempt: 2 },
  });
  const attempts = services.received
    .filter(({ name }) => name === 'job.reportProgress')
    .map(({ request }) => (request.progress as { attempt?: number }).attempt);
  t.deepEqual(attempts, [2, 3, 4, 5, 6, 7, 8], 'counted on where a regular activity takes over');
  t.is(await countEvents(handle, 'activityTaskScheduledEventAttributes'), 1, 'retries leave no trace in the history');
});

test('a service that stays away is waited for for a minute; then the saga is undone', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': [away] });
  const before = await t.context.time.now();
  const begun = performance.now();
  const handle = await run(t, 'member.register', services);
  const took = (await t.context.time.now()) - before;
  // Of the server's time, some is what this machine needs.
  const skipped = took - (performance.now() - begun);
  t.true(took > 40_000 && skipped < 90_000, `${took} ms, ${skipped} of them skipped`);
  t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'SERVICE_UNAVAILABLE', grpcStatus: 'UNAVAILABLE' } });
  t.like(await failureOf(handle), { cause: { type: 'SERVICE_UNAVAILABLE' } });
  t.like(await attributesOf(handle), { MusubiOutcome: 'failed', MusubiFailure: 'SERVICE_UNAVAILABLE' });
  t.deepEqual(services.effects, []);
});

test('a defect of a service is retried too, and is not told to the client', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': [defect] });
  await run(t, 'member.register', services);
  t.deepEqual(services.end?.error, {
    code: 'INTERNAL',
    message: 'The auth service failed.',
    errors: [],
    grpcStatus: 'INTERNAL',
  });
});

test('MEMBER_BUSY is waited for outside of workflow tasks, and said if it lasts', async (t) => {
  const soon = new ScriptedServices({ 'member.beginUpdate': (attempt) => (attempt <= 6 ? busy : { loginChanges: false }) });
  const waited = await run(t, 'member.update', soon);
  t.is(soon.end?.state, 'JOB_STATE_COMPLETED');
  t.deepEqual(soon.steps.slice(-2), ['confirmPermit', 'commitUpdate'], 'no login to rebind');
  t.deepEqual(
    soon.received.filter(({ name }) => name === 'member.beginUpdate').map(({ local }) => local),
    [true, false, false, false, false, false, false],
    'one attempt inside; the others by Temporal’s timers, which hold no place of the worker',
  );
  t.is(await countEvents(waited, 'activityTaskScheduledEventAttributes'), 1);
  t.is(await countEvents(waited, 'timerStartedEventAttributes'), 0);
  const told = soon.received.filter(({ name }) => name === 'job.reportProgress').map(({ request }) => request.progress);
  t.like(told[0], { step: 'begin update', attempt: 2 }, 'the one inside counts');

  const never = new ScriptedServices({ 'member.beginUpdate': [busy] });
  await run(t, 'member.update', never);
  t.like(never.end, { state: 'JOB_STATE_FAILED', error: { code: 'MEMBER_BUSY', grpcStatus: 'ABORTED' } });
});

test('an undo that others are in the way of waits for them likewise', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': [taken], 'member.undo': (attempt) => (attempt <= 3 ? busy : {}) });
  await run(t, 'member.register', services);
  t.deepEqual(
    services.received.filter(({ name }) => name === 'member.undo').map(({ local }) => local),
    [true, false, false, false],
  );
  t.is(services.end?.state, 'JOB_STATE_FAILED');
});

test('a refusal that only a mistake of ours brings about is a failure, and not told to the client', async (t) => {
  for (const error of [mistaken, undone]) {
    const services = new ScriptedServices({ 'member.beginUpdate': [error] });
    const handle = await run(t, 'member.update', services);
    t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'INTERNAL', message: 'The member service failed.' } });
    t.regex(String((await failureOf(handle)).cause?.message), new RegExp(error.code), 'operators are told');
    t.like(await attributesOf(handle), { MusubiOutcome: 'failed', MusubiFailure: 'INTERNAL' });
  }
});

test('an undo is tried until it is through, in order, and the job says so', async (t) => {
  const services = new ScriptedServices({
    'auth.grantRoles': [taken],
    'role.undo': (attempt) => (attempt <= 9 ? (attempt % 2 === 0 ? undone : away) : {}),
  });
  await run(t, 'member.register', services);
  const undos = services.steps.filter((name) => name.startsWith('undo'));
  t.deepEqual(
    undos.filter((name) => name !== 'undo assignRoles'),
    ['undo grantRoles', 'undo enterOrganisation', 'undo bindLogin', 'undo createMember'],
  );
  t.is(undos.filter((name) => name === 'undo assignRoles').length, 10);
  t.is(undos.indexOf('undo assignRoles'), 2);
  t.is(undos.lastIndexOf('undo assignRoles'), 11);
  const reports = services.received.filter(({ name }) => name === 'job.reportProgress').map(({ request }) => request);
  t.true(reports.length > 1);
  for (const report of reports) t.like(report, { state: 'JOB_STATE_COMPENSATING', error: { code: 'LOGIN_TAKEN' } });
  t.is(services.end?.state, 'JOB_STATE_FAILED');
});

test('why it is undone is in the history before the first undo is tried: a worker that dies then forgets nothing', async (t) => {
  let reasons: unknown[] = [];
  const services = new ScriptedServices({
    'auth.bindLogin': [taken],
    'auth.undo': async (_attempt, _request, workflow) => {
      const { events } = await workflow.fetchHistory();
      reasons = (events ?? []).map((event) => event.markerRecordedEventAttributes?.failure?.applicationFailureInfo?.type);
      return {};
    },
  });
  await run(t, 'member.register', services);
  t.true(reasons.includes('LOGIN_TAKEN'));
});

test('an undo that is not through after five minutes raises the alarm, and takes it back', async (t) => {
  const services = new ScriptedServices({ 'auth.bindLogin': [taken], 'member.undo': (attempt) => (attempt <= 30 ? away : {}) });
  const handle = await run(t, 'member.register', services);
  const { events } = await handle.fetchHistory();
  const alarms = (events ?? []).flatMap(
    (event) => event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields?.MusubiAlarm ?? [],
  );
  t.is(alarms.length, 2);
  t.regex(Buffer.from(alarms[0]?.data ?? []).toString(), /member\.undo/);
  t.is(services.end?.state, 'JOB_STATE_FAILED');
});

test('a job is applied, not completed, until queries see it', async (t) => {
  const services = new ScriptedServices({ 'query.awaitVersions': (attempt) => (attempt <= 5 ? notVisible : {}) });
  const handle = await run(t, 'member.register', services);
  t.deepEqual(
    services.states.filter((state) => state !== 'RUNNING'),
    ['APPLIED', 'COMPLETED'],
  );
  const ends = services.received.filter(({ name }) => name === 'job.finishJob').map(({ request }) => request.resultJson);
  t.deepEqual(ends, Array(2).fill(JSON.stringify(await handle.result())));
  t.deepEqual(
    services.received.filter(({ name }) => name === 'job.finishJob').map(({ request }) => request.progress),
    [
      { done: 6, total: 6, step: 'until queries see it' },
      { done: 6, total: 6, step: 'done' },
    ],
  );
  const asked = services.received.find(({ name }) => name === 'query.awaitVersions')?.request.versions;
  const id = '01890a5d-ac96-774b-bcce-b302099a8057';
  t.deepEqual(asked, [
    { type: 'member', id, version: 2 },
    { type: 'member-roles', id, version: 1 },
    { type: 'group', id, version: 2 },
  ]);
});

test('Job being away holds the end back, and nothing else', async (t) => {
  const services = new ScriptedServices({
    'job.finishJob': (attempt) => (attempt <= 20 ? away : {}),
    'job.reportProgress': [away],
  });
  await run(t, 'member.register', services);
  const steps = ['createMember', 'bindLogin', 'assignRoles', 'enterOrganisation', 'grantRoles', 'activateMember'];
  t.deepEqual(services.steps, steps);
  t.is(services.end?.state, 'JOB_STATE_COMPLETED');
});

test('a defect of a saga fails the workflow task, undoes nothing, and goes on when it is mended', async (t) => {
  // The first answer lacks what the saga reads: a TypeError in its own code.
  const services = new ScriptedServices({
    'member.beginUpdate': (attempt) => (attempt === 1 ? (null as never) : { loginChanges: true }),
  });
  const handle = await run(t, 'member.update', services);
  t.is(await countEvents(handle, 'workflowTaskFailedEventAttributes'), 1);
  t.false(services.steps.some((name) => name.startsWith('undo')));
  t.is(services.end?.state, 'JOB_STATE_COMPLETED');
});

test('it can be asked whether it is too late to cancel', async (t) => {
  const answers: boolean[] = [];
  // At the fifth attempt, a regular activity: the workflow itself is free to answer.
  const ask = async (attempt: number, _: unknown, workflow: WorkflowHandle) => {
    if (attempt === 5) answers.push(await answerOf<boolean>(workflow, 'tooLate'));
    return attempt < 6 ? away : {};
  };
  const asked = { 'auth.bindLogin': ask, 'auth.grantRoles': ask, 'member.activateMember': ask };
  await run(t, 'member.register', new ScriptedServices(asked));
  t.deepEqual(answers, [false, true, true], 'from when the pivot is tried: it can not be called off');
});

for (const [
  command,
  {
    pivots: [pivot = ''],
  },
] of Object.entries(sagas) as [CommandName, SagaDeclaration][])
  test(`${command}: its pivot alone is given the permit by which it was begun, and if that does not hold, all is undone`, async (t) => {
    const services = new ScriptedServices({ [pivot]: [revoked] });
    await run(t, command, services);
    const shown = services.received.filter(({ request }) => 'permit' in request);
    t.deepEqual(
      shown.map(({ name, request }) => [name, request.permit]),
      [[pivot, PERMIT]],
    );
    t.like(services.end, { state: 'JOB_STATE_FAILED', error: { code: 'PERMISSION_REVOKED', grpcStatus: 'PERMISSION_DENIED' } });
    t.deepEqual(services.effects, []);
  });

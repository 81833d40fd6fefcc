import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import anyTest, { type TestFn } from 'ava';
import { pino } from 'pino';
import { unavailable } from '#platform/errors.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { startTelemetry } from '#platform/process/telemetry.ts';
import { until } from '#platform/until.fixture.ts';
import { type FinishJobRequest, type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import { queueOfDomain } from '../temporal.config.ts';
import { INPUTS } from '../workflows/inputs.fixture.ts';
import { away, mistaken, SagaBench, type Script, ScriptedServices, taken } from '../workflows/saga.fixture.ts';
import { stopped } from '../workflows/worker-end.fixture.ts';
import { workflowBundle } from './bundle.ts';
import { makeSchedules, regular, type Upkeep } from './schedules.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { examine, type Sources } from './unfinished-jobs.ts';
import { lookAtUnfinishedJobs, tellOfErasures, tellOfUnfinishedJobs, unendingInWords } from './watch.ts';
import { createWorker } from './worker.ts';

// On the real Temporal of the stack, in a namespace of its own; Job is a list of what it has.

const test = anyTest.serial as TestFn<unknown>;
const address = process.env.MUSUBI_TEMPORAL_ADDRESS ?? '';
const namespace = `unfinished-${randomUUID()}`;
let connection: NativeConnection;
let client: Client;
let bench: SagaBench;

test.before(async () => {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' }, forward: {} } },
  });
  connection = await NativeConnection.connect({ address });
  const day = { seconds: 86_400 as never };
  await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: day });
  client = new Client({ connection, namespace });
  for (;;) {
    try {
      await registerSearchAttributes(connection, namespace);
      break;
    } catch {
      await delay(200); // not every part of Temporal knows the namespace at once
    }
  }
});
test.after.always(async () => {
  await bench?.close();
  await connection?.close();
});

const jobOf = (jobId: string, more: Partial<Job> = {}): Job => ({
  jobId,
  command: 'member.register',
  state: JobState.JOB_STATE_RUNNING,
  progress: { done: 2, total: 5, step: 'assign roles' },
  resultJson: '',
  error: undefined,
  memberId: 'a',
  aggregateId: 'b',
  createdAt: new Date(),
  updatedAt: new Date(),
  expiresAt: new Date(),
  version: 2,
  ...more,
});

/** Job, which has these jobs, and keeps how they end. */
function jobs(...has: Job[]) {
  const ends: FinishJobRequest[] = [];
  const job: { -readonly [Name in keyof Sources['job']]: Sources['job'][Name] } = {
    listUnfinishedJobs: async ({ pageToken, quietMs }) => {
      const quiet = has.filter(({ updatedAt }) => Date.now() - (updatedAt?.getTime() ?? 0) >= quietMs);
      // A page for each.
      const at = Number(pageToken);
      return { jobs: quiet.slice(at, at + 1), nextPageToken: at + 1 < quiet.length ? String(at + 1) : '' };
    },
    getJob: async ({ jobId }) => ({ job: has.find((one) => one.jobId === jobId) }),
    finishJob: async (request) => {
      ends.push(request);
      // Told twice, as by two looks, it ends once.
      const at = has.findIndex(({ jobId }) => jobId === request.jobId);
      if (at >= 0) has.splice(at, 1);
      return {};
    },
  };
  return { job, ends, has };
}

const run = async (script: Script): Promise<WorkflowHandle> => {
  const handle = await bench.start('member.register', new ScriptedServices(script));
  await handle.result().catch(() => undefined);
  return handle;
};
const state = async (handle: WorkflowHandle): Promise<string> => (await handle.describe()).status.name;

test('a workflow that was terminated before its first task goes on from its beginning', async (t) => {
  const handle = await client.workflow.start('member.register', {
    workflowId: randomUUID(),
    taskQueue: 'bench',
    args: [INPUTS['member.register']],
  });
  await handle.terminate('before any worker had it');
  const { job } = jobs();
  const finding = await examine({ client, job }, jobOf(handle.workflowId));
  t.like(finding, { workflow: 'TERMINATED', repair: 'reset' });
  await finding.apply();
  await finding.apply();
  t.is((await examine({ client, job }, jobOf(handle.workflowId))).repair, 'nothing');
  bench = await SagaBench.open(connection, client);
  const services = new ScriptedServices({});
  bench.serve(handle, services);
  await client.workflow.getHandle(handle.workflowId).result();
  t.deepEqual(services.states.at(-1), 'COMPLETED');
});

test('the end of a job that Job has lost is told from the result of its workflow, whichever it was', async (t) => {
  const cancelled: Script = {
    'auth.bindLogin': async (attempt, _, workflow) => {
      if (attempt === 5) await workflow.cancel();
      return away;
    },
  };
  const ways: [Script, status: string, end: object][] = [
    [
      {},
      'COMPLETED',
      { state: JobState.JOB_STATE_COMPLETED, resultJson: JSON.stringify({ id: INPUTS['member.register'].memberId }) },
    ],
    [{ 'auth.bindLogin': [taken] }, 'COMPLETED', { state: JobState.JOB_STATE_FAILED, error: { code: 'LOGIN_TAKEN' } }],
    [{ 'auth.bindLogin': [mistaken] }, 'FAILED', { state: JobState.JOB_STATE_FAILED, error: { code: 'INTERNAL' } }],
    [cancelled, 'CANCELLED', { state: JobState.JOB_STATE_CANCELLED }],
  ];
  for (const [script, status, end] of ways) {
    const handle = await run(script);
    t.is(await state(handle), status);
    const { job, ends } = jobs();
    const finding = await examine({ client, job }, jobOf(handle.workflowId));
    t.like(finding, { workflow: status, repair: 'finish' });
    await finding.apply();
    t.like(ends, {
      0: { jobId: handle.workflowId, command: 'member.register', memberId: 'a', aggregateId: 'b', ...end },
      length: 1,
    });
  }
});

test('a Schedule of which no run gets through is told of, until one does', async (t) => {
  const lifecycle = new Lifecycle(pino({ level: 'silent' }), 5_000);
  await makeSchedules(client);
  const schedule = client.schedule.getHandle('upkeep.erasures');
  tellOfErasures(lifecycle, () => client, { readEveryMs: 0, lateAfterMs: 1_000 });
  const finding = async (): Promise<string> => (await lifecycle.attention()).erasures ?? '';
  await schedule.trigger();
  await until(finding);
  t.is(
    await finding(),
    'deleted members are not erased: no run of upkeep.erasures has got through so far; its run in the Web UI says what it waits for',
  );
  const patient = new Lifecycle(pino({ level: 'silent' }), 5_000);
  tellOfErasures(patient, () => client, { readEveryMs: 0, lateAfterMs: 600_000 });
  t.is((await patient.attention()).erasures, undefined);

  const nothing = { members: 0, waiting: 0, erased: {}, away: [], overdue: { count: 0 } };
  const worker = await createWorker({
    connection,
    namespace,
    taskQueue: queueOfDomain('member'),
    codePath: await workflowBundle(false),
    activities: { 'upkeep.erasures': async () => ({ words: '', ...nothing }) } satisfies Partial<Upkeep>,
    tracing: startTelemetry('test', {}),
  });
  const running = worker.run();
  await until(async () => /has got through since 2\d{3}-/.test(await finding()));
  tellOfErasures(patient, () => client, { readEveryMs: 0, lateAfterMs: 600_000 });
  t.is((await patient.attention()).erasures, undefined);
  await stopped(worker, running);

  // What Temporal keeps for a time only is not missed.
  for (const { action } of (await schedule.describe()).info.recentActions) {
    const { workflowId } = action.workflow;
    const workflowExecution = { workflowId, runId: action.workflow.firstExecutionRunId };
    await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution });
  }
  await until(async () => (await regular(client, 'upkeep.erasures')).last === undefined);
  await schedule.delete();
});

test('who watches ends what was ended, and tells of what people must see to as long as it stands', async (t) => {
  const done = await run({});
  // Past its pivot a saga tries without end: before it, one that is held ends by itself after a minute.
  const held = (): ScriptedServices => new ScriptedServices({ 'member.activateMember': () => away });
  const cut = await bench.start('member.register', held());
  // Nobody closes a workflow within its task: the SDK may not survive that.
  await until(async () => ((await cut.describe()).raw.pendingActivities ?? []).length > 0);
  await cut.terminate('on purpose, perhaps');
  const open = await bench.start('member.register', held());
  const queued = jobOf(randomUUID(), { state: JobState.JOB_STATE_QUEUED });
  const { job, ends, has } = jobs(jobOf(open.workflowId), jobOf(done.workflowId), queued, jobOf(cut.workflowId));
  const log = pino({ level: 'silent' });
  const lifecycle = new Lifecycle(log, 5_000);
  lifecycle.markStarted();
  const worker = await createWorker({
    connection,
    namespace,
    taskQueue: queueOfDomain('member'),
    codePath: await workflowBundle(false),
    activities: {
      'upkeep.unfinishedJobs': async () => {
        const unending = await lookAtUnfinishedJobs({ client, job }, log, { quietMs: 0 });
        return { words: unendingInWords(unending), ...unending };
      },
    } satisfies Partial<Upkeep>,
    tracing: startTelemetry('test', {}),
  });
  const running = worker.run();
  t.teardown(() => stopped(worker, running));
  await makeSchedules(client);
  const schedule = client.schedule.getHandle('upkeep.unfinishedJobs');
  const look = (): Promise<void> => schedule.trigger();
  let connected = false;
  tellOfUnfinishedJobs(lifecycle, () => (connected ? client : undefined), { readEveryMs: 100 });
  const finding = async (): Promise<string> => (await lifecycle.attention())['unfinished jobs'] ?? '';
  await look();
  await until(() => ends.length > 0);
  t.is(await finding(), '', 'while Temporal is away, nobody knows');

  connected = true;
  await until(finding);
  t.is(await finding(), `job ${cut.workflowId} can not end, as the workflow was closed or is gone: node main.ts repair --list`);
  t.deepEqual(
    // Twice is as once: two looks may be at it.
    [...new Map(ends.map(({ jobId, state }) => [jobId, state]))],
    [[done.workflowId, JobState.JOB_STATE_COMPLETED]],
  );
  // A client may still repeat its command, but not for ever.
  queued.updatedAt = new Date(Date.now() - 601_000);
  await look();
  await until(async () => / and 1 more /.test(await finding()));

  // Job is away for a while: what stands, stands, and is looked for until it is seen.
  const { listUnfinishedJobs } = job;
  let asked = 0;
  job.listUnfinishedJobs = async () => {
    asked++;
    throw unavailable('STORE_UNAVAILABLE', 'away');
  };
  await look();
  await until(() => asked >= 2);
  t.regex(await finding(), / and 1 more /);
  job.listUnfinishedJobs = listUnfinishedJobs;

  await schedule.pause('by the test');
  await until(async () => /nobody looks .* is paused: unpause it$/.test(await finding()));
  await schedule.unpause();
  await until(async () => / and 1 more /.test(await finding()));

  has.splice(0, has.length, jobOf(open.workflowId));
  await until(async () => (await finding()) === '');
  await open.terminate('the test is over');
  await lifecycle.stop('tested');
});

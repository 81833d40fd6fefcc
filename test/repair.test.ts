import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { activityInfo } from '@temporalio/activity';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { NativeConnection } from '@temporalio/worker';
import test, { type ExecutionContext } from 'ava';
import { triedCases } from '#platform/cases.fixture.ts';
import { Turns } from '#platform/concurrency/turns.ts';
import { newId } from '#platform/validation/id.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { byTemporalName, createActivities } from '../activities/index.ts';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { createTerms } from '../worker/terms.ts';
import { examine } from '../worker/unfinished-jobs.ts';
import { address, admin } from './client.ts';
import { readTopics } from './evidence.ts';
import { type Activity, callName, REFUSED } from './failure-matrix/faults.ts';
import { Ground, runWorker } from './failure-matrix/ground.ts';
import { type Case, type Context, comparedOf, pivotOf, WAYS } from './failure-matrix/sagas.ts';
import { shape } from './failure-matrix/shape.ts';
import { type Snapshot, Stores } from './failure-matrix/snapshot.ts';

// Sagas whose workflows are closed from outside, or are gone, at every step: afterwards their jobs have ended, their owners
// were told once, and every store is exactly as before, or exactly done.

/** Where a saga comes to a stop. */
interface Stop {
  call: string;
  when: 'before' | 'after';
  /** The step that is refused on the way there. */
  refused?: string;
}

interface Held extends Stop {
  there: PromiseWithResolvers<void>;
  /** The run that is there, for which every service is away from then on: its worker may try on for a while. */
  runId?: string;
}

// What another job holds is another's to end.
const OWN_WAYS = Object.fromEntries(Object.entries(WAYS).filter(([way]) => !way.includes('another job')));
const tried = triedCases(OWN_WAYS, ['member.update']);

let ground: Ground;
let stores: Stores;
let connection: NativeConnection;
let client: Client;
let stopWorker: () => Promise<void>;
const taskQueue = `repair-${randomBytes(4).toString('hex')}`;
const held = new Map<string, Held>();
const ended: string[] = [];
const golden = new Map<string, { steps: string[]; pivot: string; done: Snapshot; undos: string[] }>();
const turns = new Turns(6);
const context = (): Context => ({ peers: ground.peers, run: (made) => ground.run(made) });

test.before(async () => {
  [ground, stores] = [await Ground.open(), await Stores.open()];
  await ground.work();
  connection = await NativeConnection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') });
  client = new Client({ connection });
  stopWorker = await runWorker(
    connection,
    taskQueue,
    holding(
      byTemporalName(
        createActivities(
          ground.peers,
          createTerms(() => client),
        ),
      ),
    ),
  );
  for (const [way, { make }] of tried) {
    const [done, undone] = [await make(context()), await make(context())];
    const { calls } = await ground.run(done);
    const pivot = pivotOf(done.command, calls);
    const compensated = await ground.run(undone, { fault: 'refused before', step: pivot });
    golden.set(way, {
      steps: [...new Set(calls)],
      pivot,
      done: shape(await stores.snapshot(Object.values(done.ids)), done.ids),
      undos: compensated.calls.filter((call) => call.startsWith('undo ')),
    });
  }
});

test.after('every owner was told once how the job ended', async (t) => {
  t.true(ended.length > 0);
  const told = async (): Promise<string[]> => {
    const found: string[] = [];
    await readTopics(['job.events'], (_, { key }) => void found.push(String(key)));
    return found.filter((jobId) => ended.includes(jobId)).toSorted();
  };
  for (let i = 0; i < 60 && (await told()).length < ended.length; i++) await sleep(1_000);
  t.deepEqual(await told(), ended.toSorted());
});

test.after.always(async () => {
  await stopWorker?.();
  await connection?.close();
  await ground?.close();
  await stores?.close();
});

/** The real activities; of a run that is where it shall stop, every call fails as if its service were away. */
function holding(activities: Record<string, unknown>): Record<string, Activity> {
  const away = () => ApplicationFailure.retryable('away, says the test', 'AWAY_BY_TEST');
  return Object.fromEntries(
    Object.entries(activities as Record<string, Activity>).map(([name, apply]): [string, Activity] => [
      name,
      async (step, request) => {
        const { workflowId = '', runId = '' } = activityInfo().workflowExecution ?? {};
        const one = held.get(workflowId);
        if (one?.refused === name) {
          const details = [{ code: REFUSED, message: 'refused by the test', fields: [], grpcStatus: 'FAILED_PRECONDITION' }];
          throw ApplicationFailure.create({ message: 'refused by the test', type: REFUSED, nonRetryable: true, details });
        }
        const isThere = one?.runId === runId;
        if (!isThere && (one?.runId !== undefined || one?.call !== callName(name, step))) return await apply(step, request);
        if (!isThere && one.when === 'after') await apply(step, request);
        one.runId = runId;
        // Within a workflow task its workflow is not closed: the task would go on, though its workflow is closed.
        if (!activityInfo().isLocal) one.there.resolve();
        throw away();
      },
    ]),
  );
}

/** Starts a case and waits until it is where it shall stop. @returns its job */
async function startAndHold({ command, input, aggregateId }: Case, stop: Stop): Promise<string> {
  const memberId = newId();
  const { job } = await ground.peers.job.issueJob({ command, memberId, aggregateId, idempotencyKey: '', fingerprint: '' });
  const jobId = job?.jobId ?? '';
  const one: Held = { ...stop, there: Promise.withResolvers() };
  held.set(jobId, one);
  await client.workflow.start(command, {
    workflowId: jobId,
    taskQueue,
    args: [input],
    typedSearchAttributes: [
      { key: SEARCH_ATTRIBUTES.command, value: command },
      { key: SEARCH_ATTRIBUTES.member, value: memberId },
      { key: SEARCH_ATTRIBUTES.aggregate, value: aggregateId },
    ],
  });
  await one.there.promise;
  return jobId;
}

const BLOWS: Record<'terminated' | 'deleted', (jobId: string) => Promise<void>> = {
  terminated: async (jobId) => void (await client.workflow.getHandle(jobId).terminate('by the test')),
  deleted: async (workflowId) => {
    await client.workflowService.deleteWorkflowExecution({ namespace: 'default', workflowExecution: { workflowId } });
    for (;;) {
      try {
        await client.workflow.getHandle(workflowId).describe();
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return;
        throw error;
      }
      await sleep(50);
    }
  },
};

/** What is expected of a repair: what it is, and how the job ends. */
function expected(way: string, blow: keyof typeof BLOWS, { call, when, refused }: Stop): [repair: string, end: string] {
  const { steps = [], pivot = '' } = golden.get(way) ?? {};
  if (blow === 'terminated') return ['reset', refused ? `failed ${REFUSED}` : 'completed'];
  const side = steps.indexOf(call) - steps.indexOf(pivot);
  const isPast = !refused && (side > 0 || (side === 0 && when === 'after'));
  const nothing = !refused && call === steps[0] && when === 'before';
  return ['recover', isPast ? 'completed' : `failed ${nothing ? 'NOT_STARTED' : 'JOB_LOST'}`];
}

async function one(t: ExecutionContext, way: string, blow: keyof typeof BLOWS, stop: Stop): Promise<void> {
  const what = `${way}${stop.refused ? ', refused' : ''}: ${blow} ${stop.when} ${stop.call}`;
  const made = await (WAYS[way] as (typeof WAYS)[string]).make(context());
  const before = await stores.snapshot(Object.values(made.ids));
  const jobId = await startAndHold(made, stop);
  await BLOWS[blow](jobId);
  const { job } = await ground.peers.job.getJob({ jobId });
  if (!job) throw new Error(what);
  const finding = await examine({ client, job: ground.peers.job }, job);
  const [repair, end] = expected(way, blow, stop);
  t.is<string, string>(finding.repair, repair, what);
  await Promise.all([finding.apply(), finding.apply()]);
  const { state, code = '' } = await ground.ended(jobId);
  t.is(`${state} ${code}`.trim(), end, what);
  ended.push(jobId);
  const done = state === 'completed';
  const compared = (lines: Snapshot): Snapshot => (done ? lines : comparedOf(made, lines));
  const wanted = compared((done ? golden.get(way)?.done : before) ?? []);
  let now: Snapshot = [];
  for (let i = 0; i < 100; i++) {
    now = compared(await stores.snapshot(Object.values(made.ids)));
    if (done) now = shape(now, made.ids);
    if (JSON.stringify(now) === JSON.stringify(wanted)) break;
    await sleep(100);
  }
  t.deepEqual(now, wanted, `${what} ended ${state} ${code}`);
}

for (const [way] of tried) {
  for (const blow of ['terminated', 'deleted'] as const) {
    test(`${way}: its workflow is ${blow} at every step and every undo`, async (t) => {
      const { steps = [], pivot = '', undos = [] } = golden.get(way) ?? {};
      t.true(steps.length >= 4 && undos.length >= 2);
      const calls = [...steps.map((call) => ({ call })), ...undos.map((call) => ({ call, refused: pivot }))];
      const stops = calls.flatMap((call): Stop[] => [
        // One that goes on is asked again for what it had done, so that is the harder part.
        ...(blow === 'deleted' ? [{ ...call, when: 'before' as const }] : []),
        // Once its end is told, the job has ended.
        ...(call.call === 'job.finishJob' ? [] : [{ ...call, when: 'after' as const }]),
      ]);
      await Promise.all(stops.map((stop) => turns.take(() => one(t, way, blow, stop))));
    });
  }
}

test('the program lists a job whose workflow was terminated, has it go on, and then finds nothing to do', async (t) => {
  const made = await (WAYS['member.update'] as (typeof WAYS)[string]).make(context());
  // Past its pivot a saga tries without end: before it, it would end by itself while the programs start.
  const jobId = await startAndHold(made, { call: 'member.commitUpdate', when: 'before' });
  const repair = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const main = join(import.meta.dirname, '../main.ts');
    const env = { ...process.env, MUSUBI_OPS_LISTEN: '127.0.0.1:0', MUSUBI_LOG_LEVEL: 'error' };
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'repair', '--job', jobId, ...args], { env });
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const known = { jobId, command: 'member.update', aggregateId: made.aggregateId };
  t.like(await repair(), { 0: { ...known, workflow: 'RUNNING', repair: 'nothing' }, length: 1 });
  await BLOWS.terminated(jobId);

  const as = await admin();
  const { status, body } = await as.post(`/v1/jobs/${jobId}:cancel`);
  t.like({ status, ...body }, { status: 409, code: 'JOB_INTERRUPTED' });

  for (const args of [['--list'], []]) {
    t.like(await repair(...args), { 0: { ...known, workflow: 'TERMINATED', repair: 'reset' }, length: 1 });
    const { job } = await ground.peers.job.getJob({ jobId });
    if (args.length > 0) t.not(job?.state, JobState.JOB_STATE_COMPLETED, 'a list changes nothing');
  }
  t.is((await ground.ended(jobId)).state, 'completed');
  ended.push(jobId);
  t.deepEqual(await repair(), []);
});

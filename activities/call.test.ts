import { setTimeout as delay } from 'node:timers/promises';
import type { Info } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import test from 'ava';
import { aborted, alreadyExists, internal } from '#platform/errors.ts';
import type { Peer } from '#platform/grpc/client.ts';
import type { JobServiceService, ReportProgressRequest } from '#proto/musubi/job/v1/job.ts';
import { createCall, type StepCall } from './call.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') }); // failed activities are what is tested

const STEP: StepCall = { operationId: 'job-1/bindLogin', progress: { done: 1, total: 5, step: 'bind login' } };
const taken = alreadyExists('LOGIN_TAKEN', 'the login is taken', { fields: [{ field: 'loginId', message: 'is taken' }] });

/** Makes one call as an activity; what it did, and what Job got. */
async function attempt(
  step: StepCall,
  work: () => Promise<unknown>,
  number = 1,
  { report = async (): Promise<object> => ({}), ...info }: { report?: () => Promise<object> } & Partial<Info> = {},
) {
  const reports: ReportProgressRequest[] = [];
  const job = {
    reportProgress: (request: ReportProgressRequest) => {
      reports.push(request);
      return report();
    },
  } as unknown as Peer<typeof JobServiceService>;
  const environment = new MockActivityEnvironment({
    attempt: number,
    startToCloseTimeoutMs: 5_000,
    scheduledTimestampMs: 0,
    currentAttemptScheduledTimestampMs: 0,
    ...info,
    workflowExecution: { workflowId: 'job-1', runId: 'run' },
  });
  let timeoutMs = 0;
  const call = createCall(job);
  const outcome = await environment
    .run(() =>
      call(step, (options) => {
        timeoutMs = options.timeoutMs;
        return work();
      }),
    )
    .catch((error: unknown) => error);
  return { outcome, reports, timeoutMs };
}

const failing = (error: unknown) => async (): Promise<never> => {
  throw error;
};

test('a quick call reports nothing, and has the deadline of its attempt', async (t) => {
  const { outcome, reports, timeoutMs } = await attempt(STEP, async () => {
    await delay(50);
    return { done: true };
  });
  t.deepEqual(outcome, { done: true });
  t.deepEqual(reports, []);
  t.true(timeoutMs > 4_000 && timeoutMs < 5_000);
});

test('a call that drags on is reported, and so is every further attempt', async (t) => {
  const slow = await attempt(STEP, () => delay(400));
  t.deepEqual(slow.reports, [
    { jobId: 'job-1', state: 'JOB_STATE_RUNNING', progress: { done: 1, total: 5, step: 'bind login' }, error: undefined },
  ]);
  const third = await attempt({ ...STEP, compensating: null }, async () => ({}), 3);
  t.like(third.reports, [{ state: 'JOB_STATE_COMPENSATING', progress: { step: 'bind login', attempt: 3 } }]);
  const regular = await attempt({ ...STEP, triedBefore: 4 }, async () => ({}));
  t.like(regular.reports, [{ progress: { step: 'bind login', attempt: 5 } }]);
});

test('what is overdue is said to be, by Temporal’s clock and not by this host’s', async (t) => {
  const tried = (ms: number) => attempt(STEP, async () => ({}), 2, { currentAttemptScheduledTimestampMs: ms });
  t.like((await tried(299_000)).reports, [{ progress: { step: 'bind login' } }]);
  t.like((await tried(301_000)).reports, [{ progress: { step: 'bind login, overdue, an operator is needed' } }]);
});

test('a step is not through before its report is: no report may come after one of the next step', async (t) => {
  let told = false;
  const report = async (): Promise<object> => {
    await delay(200);
    told = true;
    return {};
  };
  t.is((await attempt(STEP, async () => 'ok', 2, { report })).outcome, 'ok');
  t.true(told);
});

test('a report that fails does not fail the step', async (t) => {
  const { outcome } = await attempt(STEP, async () => 'ok', 2, { report: failing(new Error('Job is away')) });
  t.is(outcome, 'ok');
});

test('a refusal is not retried, unless the step must succeed', async (t) => {
  const { outcome } = await attempt(STEP, failing(taken));
  t.true(outcome instanceof ApplicationFailure);
  const fields = [{ field: 'loginId', message: 'is taken' }];
  const detail = { code: 'LOGIN_TAKEN', message: 'The login is taken.', fields, grpcStatus: 'ALREADY_EXISTS' };
  t.like(outcome as ApplicationFailure, { type: 'LOGIN_TAKEN', nonRetryable: true, details: [detail], stack: '' });

  const forced = await attempt({ ...STEP, mustSucceed: true }, failing(taken));
  t.like(forced.outcome as ApplicationFailure, { type: 'LOGIN_TAKEN', nonRetryable: false });
});

test('a conflict is no incident; it is not tried again inside a workflow task, and outside of it at longer and longer intervals', async (t) => {
  const busy = failing(aborted('MEMBER_BUSY', 'busy'));
  const tried = async (number: number, step: StepCall, isLocal: boolean): Promise<ApplicationFailure> =>
    (await attempt(step, busy, number, { isLocal })).outcome as ApplicationFailure;
  for (const step of [STEP, { ...STEP, mustSucceed: true }]) {
    t.like(await tried(1, step, true), { nonRetryable: true, category: ApplicationFailureCategory.BENIGN });
    for (const [number, most] of [100, 200, 400, 800, 1_600, 2_000, 2_000].entries()) {
      const { nonRetryable, nextRetryDelay, category } = await tried(number + 1, step, false);
      t.deepEqual([nonRetryable, category], [false, ApplicationFailureCategory.BENIGN]);
      const delay = Number(nextRetryDelay);
      t.true(delay >= most / 2 && delay <= most, `${delay} ms, not up to ${most}`);
    }
  }
});

test('what may succeed later is retried: conflicts, servers that are away, defects', async (t) => {
  for (const error of [aborted('MEMBER_BUSY', 'busy'), internal('INTERNAL', 'failed')]) {
    const { outcome } = await attempt(STEP, failing(error));
    t.like(outcome as ApplicationFailure, { type: error.code, nonRetryable: false });
  }
  const defect = new TypeError('not a function');
  t.is((await attempt(STEP, failing(defect))).outcome, defect);
});

import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
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

/** Makes one call as an activity; what it did, and what Job was told. */
async function attempt(step: StepCall, work: () => Promise<unknown>, number = 1, report = async (): Promise<object> => ({})) {
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
    scheduledTimestampMs: Date.now(),
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
  t.like(third.reports, [{ state: 'JOB_STATE_COMPENSATING', progress: { step: 'bind login, attempt 3' } }]);
});

test('a report that fails does not fail the step', async (t) => {
  const { outcome } = await attempt(STEP, async () => 'ok', 2, failing(new Error('Job is away')));
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

test('what may succeed later is retried: conflicts, servers that are away, defects', async (t) => {
  for (const error of [aborted('MEMBER_BUSY', 'busy'), internal('INTERNAL', 'failed')]) {
    const { outcome } = await attempt(STEP, failing(error));
    t.like(outcome as ApplicationFailure, { type: error.code, nonRetryable: false });
  }
  const defect = new TypeError('not a function');
  t.is((await attempt(STEP, failing(defect))).outcome, defect);
});

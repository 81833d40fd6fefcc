import { status } from '@grpc/grpc-js';
import test from 'ava';
import { deadlineExceeded, failedPrecondition, internal, MusubiError } from '#platform/errors.ts';
import { CLIENT_CODES, PROBLEM_CODES, PROBLEMS, type ProblemKind } from '#platform/problems.ts';
import { httpStatus, httpStatusOf, JobFailedError, problemOf, problemSchema } from './problem.ts';

test('every code has an HTTP status of an error', (t) => {
  for (const code of PROBLEM_CODES) t.true(httpStatusOf(code) >= 400 && httpStatusOf(code) < 600, code);
});

test('a code between services is told as the one that says the most of its status', (t) => {
  t.false((CLIENT_CODES as readonly string[]).includes('LOCK_NOT_HELD'));
  const cases: [MusubiError, string, number][] = [
    [failedPrecondition('LOCK_NOT_HELD', 'the inside'), 'CONFLICT', 409],
    [deadlineExceeded('CALLER_GONE', 'the inside'), 'SERVICE_TIMEOUT', 504],
    [internal('EVENT_TOO_LARGE', 'the inside'), 'INTERNAL', 500],
    [new MusubiError(status.UNIMPLEMENTED, 'INTERNAL', 'the inside'), 'INTERNAL', 500],
  ];
  for (const [error, code, expected] of cases) {
    const problem = problemSchema.parse(problemOf(error, 'trace'));
    t.like(problem, { code, status: expected, type: `/problems/${code}`, detail: PROBLEMS[code as 'INTERNAL'].meaning });
    t.is(httpStatus(error), expected);
    t.notRegex(JSON.stringify(problem), /inside/);
  }
});

test('what happened is told in a whole sentence', (t) => {
  const detail = (text: string) => problemOf(failedPrecondition('LAST_ADMIN', text), 'trace').detail;
  t.is(detail('somebody must remain'), 'Somebody must remain.');
  t.is(detail('Somebody must remain.'), 'Somebody must remain.');
  t.is(detail('ünlü'), 'Ünlü.');
  t.is(detail('is it?'), 'Is it?');
});

test('codes that HTTP knows better', (t) => {
  t.is(httpStatus(failedPrecondition('VERSION_MISMATCH', '')), 412);
  t.is(httpStatus(failedPrecondition('IDEMPOTENCY_KEY_REUSED', '')), 422);
  t.is(httpStatus(failedPrecondition('LAST_ADMIN', '')), 409);
});

test('a failed job is answered as the refusal that failed it', (t) => {
  const cases: [string, string | undefined, number][] = [
    ['LOGIN_TAKEN', 'ALREADY_EXISTS', 409],
    ['ANYTHING_NEW', 'NOT_FOUND', 404],
    ['ANYTHING_NEW', 'INVALID_ARGUMENT', 400],
    ['VERSION_MISMATCH', 'FAILED_PRECONDITION', 412],
    ['SERVICE_UNAVAILABLE', 'UNAVAILABLE', 503],
    ['INTERNAL', 'INTERNAL', 500],
    // As earlier releases wrote jobs, and what no release writes.
    ['MEMBER_NOT_FOUND', undefined, 404],
    ['VERSION_MISMATCH', undefined, 412],
    ['ODD', undefined, 409],
    ['ODD', '', 500],
    ['ODD', 'OK', 500],
    ['ODD', 'toString', 500],
  ];
  for (const [code, grpcStatus, expected] of cases) {
    const error = new JobFailedError('job-1', { code, message: 'why', errors: [{ field: 'f', message: 'm' }], grpcStatus });
    const problem = problemSchema.parse(problemOf(error, 'trace'));
    t.is(problem.status, expected, code);
    t.is(problem.instance, '/v1/jobs/job-1');
    t.deepEqual(problem.errors, [{ in: 'body', field: 'f', code: 'INVALID', message: 'm' }]);
  }
});

test('who asks again with the key of a job that has ended is told that it needs a new one', (t) => {
  for (const code of CLIENT_CODES) {
    const { status: grpcStatus, remedy = '' }: ProblemKind = PROBLEMS[code];
    const error = new JobFailedError('job-1', { code, message: 'why', errors: [], grpcStatus });
    const detail = problemOf(error, 'trace').detail;
    t.is(/new Idempotency-Key/.test(detail), error.retryable, `${code}: ${detail}`);
    if (/the same request again/i.test(remedy)) t.regex(remedy, /new Idempotency-Key/, code);
  }
});

test('the inside stays inside', (t) => {
  const away = new MusubiError(status.UNAVAILABLE, 'SERVICE_UNAVAILABLE', 'connect ECONNREFUSED 10.0.0.7:4000', {
    forOperators: true,
    cause: new Error('secret'),
  });
  const problem = problemOf(away, 'trace');
  t.notRegex(JSON.stringify(problem), /10\.0\.0\.7|secret/);
  t.is(problem.title, 'Service unavailable');
  t.is(problem.type, '/problems/SERVICE_UNAVAILABLE');
  t.is(problem.detail, PROBLEMS.SERVICE_UNAVAILABLE.meaning);
});

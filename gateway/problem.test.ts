import { status } from '@grpc/grpc-js';
import test from 'ava';
import { failedPrecondition, MusubiError } from '#platform/errors.ts';
import { PROBLEMS } from '#platform/problems.ts';
import { httpStatus, JobFailedError, problemOf, problemSchema } from './problem.ts';

test('every gRPC code has an HTTP status', (t) => {
  const codes = Object.values(status).filter((code): code is status => typeof code === 'number' && code !== status.OK);
  t.is(codes.length, 16);
  for (const code of codes) {
    const mapped = httpStatus(new MusubiError(code, 'INTERNAL', 'text'));
    t.true(mapped >= 400 && mapped < 600, status[code]);
  }
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
    ['MEMBER_NOT_FOUND', undefined, 409],
    ['VERSION_MISMATCH', undefined, 412],
    ['ODD', '', 409],
    ['ODD', 'OK', 409],
    ['ODD', 'toString', 409],
  ];
  for (const [code, grpcStatus, expected] of cases) {
    const error = new JobFailedError('job-1', { code, message: 'why', errors: [{ field: 'f', message: 'm' }], grpcStatus });
    const problem = problemSchema.parse(problemOf(error, 'trace'));
    t.is(problem.status, expected, code);
    t.is(problem.instance, '/v1/jobs/job-1');
    t.deepEqual(problem.errors, [{ field: 'f', code: 'INVALID', message: 'm' }]);
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

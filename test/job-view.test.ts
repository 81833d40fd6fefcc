import test from 'ava';
import { jobStateNamed, jobStateView, jobView, toJobView } from '#platform/job-view.ts';
import { PROBLEMS } from '#platform/problems.ts';
import { type Job, Job as JobMessage, JobState } from '#proto/musubi/job/v1/job.ts';
import { openApiDocument } from '../gateway/openapi/document.ts';
import { allRoutes } from '../gateway/routes/index.ts';
import { asyncApi } from '../services/websocket/asyncapi.ts';

const JOB: Job = {
  jobId: '0199a7c0-0000-7000-8000-000000000001',
  command: 'member.update',
  state: JobState.JOB_STATE_FAILED,
  progress: { done: 1, total: 3, step: 'auth' },
  resultJson: '{"id":"結び"}',
  error: { code: 'LOGIN_TAKEN', message: 'taken', errors: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }] },
  memberId: 'm',
  aggregateId: 'a',
  createdAt: new Date(1),
  updatedAt: new Date(2),
  expiresAt: new Date(3),
  version: 3,
};

/** What a document says of a schema's values; without words, and without what only one of the two generators spells out. */
function rules(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rules);
  if (typeof value !== 'object' || value === null) return value;
  const words = ['description', 'example', 'examples', 'pattern', 'maximum'];
  const kept = Object.entries(value).filter(([key]) => !words.includes(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, rules(inner)]));
}

test('OpenAPI and AsyncAPI tell of the same job', (t) => {
  const rest = JSON.parse(JSON.stringify(openApiDocument(allRoutes(), 'https://example.com')));
  const socket = JSON.parse(JSON.stringify(asyncApi(new URL('wss://example.com/v1/events'))));
  const byRest = rules(rest.components.schemas.Job);
  t.deepEqual(byRest, rules(socket.components.messages.serverJob.payload.schema.properties.job));
  t.true(JSON.stringify(byRest).includes('"expiresAt"'));
});

test('a job of every state, and with what a newer Job says of its error, is shown in full', (t) => {
  for (const name of jobStateView.options) t.is(toJobView({ ...JOB, state: jobStateNamed(name) }).state, name);
  const newer = { ...JOB, error: { ...JOB.error, status: 'ALREADY_EXISTS' } } as Job;
  t.deepEqual(toJobView(newer), {
    id: JOB.jobId,
    command: 'member.update',
    state: 'failed',
    progress: { done: 1, total: 3, step: 'auth' },
    result: { id: '結び' },
    error: { code: 'LOGIN_TAKEN', message: 'Taken.', errors: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }] },
    memberId: 'm',
    createdAt: '1970-01-01T00:00:00.001Z',
    updatedAt: '1970-01-01T00:00:00.002Z',
    expiresAt: '1970-01-01T00:00:00.003Z',
  });
  const tried = (attempt: number | undefined) =>
    toJobView({ ...JOB, progress: { done: 1, total: 3, step: 'auth', attempt } }).progress;
  t.is(tried(4).attempt, 4);
  for (const first of [1, undefined]) t.false('attempt' in tried(first));
  const { resultJson: _, error: __, ...bare } = JOB;
  t.deepEqual(
    Object.keys(toJobView({ ...bare, resultJson: '', error: undefined })),
    Object.keys(jobView.shape).filter((key) => key !== 'result' && key !== 'error'),
  );
});

test('what a client need not know of an error, or this release does not, is told as what is nearest', (t) => {
  const told = (code: string, grpcStatus?: string) => {
    const error = { code, message: 'the inside', errors: [{ field: 'f', code: 'NEWER', message: 'is wrong' }], grpcStatus };
    return toJobView({ ...JOB, error }).error;
  };
  const errors = [{ field: 'f', code: 'INVALID', message: 'is wrong' }];
  const conflict = { code: 'CONFLICT', message: PROBLEMS.CONFLICT.meaning, errors };
  t.deepEqual(told('LOCK_NOT_HELD', 'FAILED_PRECONDITION'), conflict);
  t.deepEqual(told('NEWER', 'ALREADY_EXISTS'), conflict);
  t.deepEqual(told('NEWER'), conflict);
  t.deepEqual(told('NEWER', 'INVALID_ARGUMENT'), {
    code: 'INVALID_ARGUMENT',
    message: PROBLEMS.INVALID_ARGUMENT.meaning,
    errors,
  });
});

test('a state of a newer Job is shown as unknown, however it comes, and no list can be asked for it', (t) => {
  for (const state of [JobState.UNRECOGNIZED, JobState.JOB_STATE_UNSPECIFIED])
    t.like(toJobView({ ...JOB, state }), { id: JOB.jobId, state: 'unknown' });
  const inJson = JobMessage.fromJSON({ ...(JobMessage.toJSON(JOB) as object), state: 'JOB_STATE_PAUSED' });
  t.is(toJobView(inJson).state, 'unknown');
  t.false(jobStateView.safeParse('unknown').success);
});

test('what is not a whole job is not shown', (t) => {
  t.throws(() => toJobView({ ...JOB, expiresAt: undefined }));
  t.throws(() => toJobView({ ...JOB, resultJson: '[]' }));
  t.throws(() => toJobView({ ...JOB, resultJson: 'not json' }));
});

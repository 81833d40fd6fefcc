import test from 'ava';
import fc from 'fast-check';
import { CONTRADICTION, type Finish, finish, isFinal, issue, type Job, type Report, report, UNCHANGED } from './domain.ts';

const RETENTION = { activeMs: 1_000, finishedMs: 100 };
const queued = (now = 0): Job =>
  issue({ id: 'j', command: 'c', memberId: 'm', aggregateId: 'a', idempotencyKey: '', fingerprint: '' }, now, RETENTION);
const progress = (done: number, attempt?: number) => ({ done, total: 9, step: `step ${done}`, ...(attempt ? { attempt } : {}) });
const reports = fc.record({
  state: fc.constantFrom<Report['state']>('running', 'compensating'),
  progress: fc.tuple(fc.nat(9), fc.constantFrom(undefined, 2, 3)).map(([done, attempt]) => progress(done, attempt)),
  error: fc.constant(undefined),
});
const reportAll = (told: Report[]): Job =>
  told.reduce((job, next) => {
    const after = report(job, next, 1, RETENTION);
    return after === UNCHANGED ? job : after;
  }, queued());

const TOLD = { resultJson: '', error: undefined, progress: undefined };

test('reports lead to the furthest of them, in whatever order they come and however often', (t) => {
  fc.assert(
    fc.property(
      fc
        .array(reports, { minLength: 1, maxLength: 8 })
        .chain((told) => fc.tuple(fc.constant(told), fc.shuffledSubarray([...told, ...told], { minLength: 2 * told.length }))),
      ([told, shuffled]) => {
        const { version: _, ...one } = reportAll(told);
        const { version: __, ...other } = reportAll(shuffled);
        t.deepEqual(one, other);
        const state = told.some((each) => each.state === 'compensating') ? 'compensating' : 'running';
        const here = told.filter((each) => each.state === state).map((each) => each.progress ?? progress(0));
        const done = Math.max(...here.map((each) => each.done));
        const attempts = here.filter((each) => each.done === done).map(({ attempt = 1 }) => attempt);
        t.is(one.state, state);
        t.is(one.progress.done, done);
        t.is(one.progress.attempt ?? 1, Math.max(...attempts));
      },
    ),
  );
});

test('the first final state stays, whatever comes after it', (t) => {
  const finishes = fc.constantFrom<Finish['state']>('applied', 'completed', 'failed', 'cancelled');
  fc.assert(
    fc.property(fc.array(fc.oneof(reports, finishes), { maxLength: 12 }), (told) => {
      let job = queued();
      let final: Job | undefined;
      for (const next of told) {
        const after =
          typeof next === 'string' ? finish(job, { state: next, ...TOLD }, 1, RETENTION) : report(job, next, 1, RETENTION);
        if (after === UNCHANGED || after === CONTRADICTION) continue;
        t.is(after.version, job.version + 1);
        t.is(final, undefined, 'a final state is never left');
        job = after;
        if (isFinal(job.state)) final = job;
      }
    }),
  );
});

test('what was undone can not be applied, and what was applied can not be undone', (t) => {
  const compensating = report(queued(), { state: 'compensating', progress: undefined, error: undefined }, 1, RETENTION) as Job;
  const told = TOLD;
  t.is(finish(compensating, { ...told, state: 'applied' }, 1, RETENTION), CONTRADICTION);
  t.is(finish(compensating, { ...told, state: 'completed' }, 1, RETENTION), CONTRADICTION);
  const applied = finish(queued(), { ...told, state: 'applied' }, 1, RETENTION) as Job;
  t.is(finish(applied, { ...told, state: 'failed' }, 1, RETENTION), CONTRADICTION);
  t.is(finish(applied, { ...told, state: 'cancelled' }, 1, RETENTION), CONTRADICTION);
  t.is((finish(applied, { ...told, state: 'completed' }, 1, RETENTION) as Job).state, 'completed');
});

test('a job that has ended says how far it came, and keeps the result it was applied with', (t) => {
  const running = report(queued(), { state: 'running', progress: progress(2, 3), error: undefined }, 1, RETENTION) as Job;
  t.deepEqual(running.progress, { done: 2, total: 9, step: 'step 2', attempt: 3 });
  const end = { done: 9, total: 9, step: 'done' };
  const applied = finish(running, { ...TOLD, state: 'applied', resultJson: '{"id":1}', progress: end }, 2, RETENTION) as Job;
  const completed = finish(applied, { ...TOLD, state: 'completed', progress: end }, 3, RETENTION) as Job;
  t.deepEqual(completed.progress, end);
  t.is(completed.resultJson, '{"id":1}');
  const undoing = report(running, { state: 'compensating', progress: progress(0), error: undefined }, 2, RETENTION) as Job;
  const stopped = { done: 2, total: 9, step: 'failed at "step 2", all undone' };
  t.deepEqual((finish(undoing, { ...TOLD, state: 'failed', progress: stopped }, 3, RETENTION) as Job).progress, stopped);
  // A worker of an earlier release says nothing of it.
  t.deepEqual((finish(running, { ...TOLD, state: 'completed' }, 3, RETENTION) as Job).progress, end);
});

test('a job lives for a while after its last change, and a finished one after its finish', (t) => {
  const job = queued(1_000);
  t.is(job.expiresAt, 2_000);
  const running = report(job, { state: 'running', progress: undefined, error: undefined }, 1_500, RETENTION) as Job;
  t.is(running.expiresAt, 2_500);
  const done = finish(running, { ...TOLD, state: 'completed' }, 1_600, RETENTION) as Job;
  t.is(done.expiresAt, 1_700);
  t.is(
    (report(job, { state: 'running', progress: undefined, error: undefined }, 900, RETENTION) as Job).updatedAt,
    1_000,
    'never back',
  );
});

test('a late report of an earlier attempt changes nothing, whatever its words', (t) => {
  const told = (attempt: number, step: string) =>
    ({ state: 'running', progress: { ...progress(2, attempt), step }, error: undefined }) as const;
  const third = report(queued(), told(3, 'step 2, overdue'), 1, RETENTION) as Job;
  t.is(report(third, told(2, 'step 2'), 2, RETENTION), UNCHANGED);
  t.like(report(third, told(4, 'step 2, overdue'), 2, RETENTION), { progress: { attempt: 4 } });
});

/** The states of a job; {@link FINAL} ones are never left. */
export const JOB_STATES = ['queued', 'running', 'compensating', 'applied', 'completed', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

const FINAL: ReadonlySet<JobState> = new Set<JobState>(['completed', 'failed', 'cancelled']);

export function isFinal(state: JobState): boolean {
  return FINAL.has(state);
}

export interface Progress {
  done: number;
  total: number;
  /** What is being done, in words; of a job that has ended: how it ended. */
  step: string;
  /** Which try of the step this is, from the second on. */
  attempt?: number | undefined;
}

export interface JobError {
  /** A stable upper-case word. */
  code: string;
  message: string;
  errors: { field: string; message: string; code?: string | undefined }[];
  /** The name of the gRPC status that says what kind of failure it is: 'ALREADY_EXISTS'. Absent in jobs of earlier releases. */
  grpcStatus?: string | undefined;
}

/** A job as it is kept. Times are milliseconds since 1970. */
export interface Job {
  id: string;
  command: string;
  state: JobState;
  progress: Progress;
  /** A JSON object as text; empty while there is none. */
  resultJson: string;
  error: JobError | undefined;
  /** The member on whose behalf the job runs. */
  memberId: string;
  /** What the job changes. */
  aggregateId: string;
  /** The Idempotency-Key it was issued under; empty for none. */
  idempotencyKey: string;
  /** A hash of what was asked for. */
  fingerprint: string;
  createdAt: number;
  updatedAt: number;
  expiresAt: number;
  /** 1 when issued; every change adds 1. */
  version: number;
}

/** What a job was issued for: its saga knows it, too. */
export type Origin = Pick<Job, 'command' | 'memberId' | 'aggregateId'>;

/** How long jobs are kept, in milliseconds. */
export interface Retention {
  /** Of a job that is not final: since its last change. */
  activeMs: number;
  /** Of a final job: since its finish. */
  finishedMs: number;
}

/** The most jobs under way at a time, so that no member can fill the system with work. */
export interface Places {
  /** For one member. */
  perMember: number;
  /** For one member, on one aggregate. */
  perAggregate: number;
}

/** What is bounded of jobs. */
export interface Limits {
  places: Places;
  /** New jobs of one member: so many at once, and then one more every so many seconds. */
  rate: { burst: number; everySeconds: number };
}

/**
 * A job holds its place until it is done or given up, and no longer than this after it was last heard of, in
 * milliseconds: no crash keeps a place for good.
 */
export const PLACE_HELD_MS = 600_000;

/** Whether a job is under way, and so holds a place: what is applied is done, and only not shown yet. */
export function isUnderWay(state: JobState): boolean {
  return state !== 'applied' && !isFinal(state);
}

export interface Report {
  state: 'running' | 'compensating';
  progress: Progress | undefined;
  error: JobError | undefined;
}

export interface Finish {
  state: 'applied' | 'completed' | 'failed' | 'cancelled';
  resultJson: string;
  error: JobError | undefined;
  /** How far it came; undefined (a worker of an earlier release): as it was reported last. */
  progress: Progress | undefined;
}

/** A report or a finish that has nothing to say any more: it is late, or a repeat. */
export const UNCHANGED = 'unchanged';
/** A finish that contradicts the one before: only a defect in a workflow makes one. */
export const CONTRADICTION = 'contradiction';

/**
 * A new job.
 *
 * It stays `queued` until its workflow's first report. No timer here declares it failed: a workflow may
 * start late (its server was away), and then "failed" would have been a lie. Only who has asked Temporal
 * knows that there is no workflow, and may finish the job as failed. A client's retry with the same
 * Idempotency-Key heals it, too: the gateway starts the workflow of a reused job again, and its ID is the
 * job's. If nobody does anything, the job expires like any that nothing is heard of.
 */
export function issue(
  asked: Pick<Job, 'id' | 'command' | 'memberId' | 'aggregateId' | 'idempotencyKey' | 'fingerprint'>,
  now: number,
  retention: Retention,
): Job {
  return {
    ...asked,
    state: 'queued',
    progress: { done: 0, total: 0, step: '' },
    resultJson: '',
    error: undefined,
    createdAt: now,
    updatedAt: now,
    expiresAt: now + retention.activeMs,
    version: 1,
  };
}

/** From which states a progress report moves a job. */
const REPORTABLE: Record<Report['state'], ReadonlySet<JobState>> = {
  running: new Set<JobState>(['queued', 'running']),
  compensating: new Set<JobState>(['queued', 'running', 'compensating']),
};

/**
 * The job after a progress report. States only go forward, and within a state `done` only grows, and with it the
 * attempt, in any order of reports, and however often they arrive. While both stand still, the newest words are shown,
 * and the job is kept for as long as somebody works on it.
 */
export function report(job: Job, { state, progress, error }: Report, now: number, retention: Retention): Job | typeof UNCHANGED {
  if (!REPORTABLE[state].has(job.state)) return UNCHANGED;
  if (job.state === state && (!progress || !isFurther(progress, job.progress))) return UNCHANGED;
  return changed(job, { state, progress: progress ?? job.progress, error: error ?? job.error }, now, retention);
}

function isFurther(next: Progress, now: Progress): boolean {
  if (next.done !== now.done) return next.done > now.done;
  const [attempt, before] = [next.attempt ?? 1, now.attempt ?? 1];
  return attempt === before ? next.step !== now.step : attempt > before;
}

/** From which states a job can be finished as what. What was undone can't be applied, what was applied can't be undone. */
const FINISHABLE: Record<Finish['state'], ReadonlySet<JobState>> = {
  applied: new Set<JobState>(['queued', 'running']),
  completed: new Set<JobState>(['queued', 'running', 'applied']),
  failed: new Set<JobState>(['queued', 'running', 'compensating']),
  cancelled: new Set<JobState>(['queued', 'running', 'compensating']),
};

/** The job after it was applied or finished. The first final state stays. */
export function finish(
  job: Job,
  { state, resultJson, error, progress }: Finish,
  now: number,
  retention: Retention,
): Job | typeof UNCHANGED | typeof CONTRADICTION {
  if (isFinal(job.state) || job.state === state) return UNCHANGED;
  if (!FINISHABLE[state].has(job.state)) return CONTRADICTION;
  const done = state === 'applied' || state === 'completed';
  const { total } = job.progress;
  return changed(
    job,
    {
      state,
      progress: progress ?? (done ? { done: total, total, step: 'done' } : job.progress),
      resultJson: resultJson || job.resultJson,
      error: done ? undefined : (error ?? job.error),
    },
    now,
    retention,
  );
}

/**
 * The end of a job whose record the store has lost, so that its owner hears of it all the same. Unchanged if it was issued
 * so long ago that it may as well have expired. Its version is the time: more than any that was published before the loss.
 */
export function finishLost(
  { id, issuedAt, ...origin }: Origin & { id: string; issuedAt: number },
  told: Finish,
  now: number,
  retention: Retention,
): ReturnType<typeof finish> {
  if (issuedAt + retention.activeMs < now) return UNCHANGED;
  const issued = issue({ ...origin, id, idempotencyKey: '', fingerprint: '' }, Math.min(issuedAt, now), retention);
  return finish({ ...issued, version: now - 1 }, told, now, retention);
}

function changed(job: Job, change: Partial<Job>, now: number, retention: Retention): Job {
  const state = change.state ?? job.state;
  // Another instance's clock may be behind the one that made the last change.
  const updatedAt = Math.max(now, job.updatedAt);
  return {
    ...job,
    ...change,
    updatedAt,
    expiresAt: updatedAt + (isFinal(state) ? retention.finishedMs : retention.activeMs),
    version: job.version + 1,
  };
}

import { failedPrecondition, notFound } from '#platform/errors.ts';
import type { CallInfo } from '#platform/grpc/server.ts';
import { newId } from '#platform/validation/id.ts';
import { type FinishJobRequest, type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import type { State } from './applied.fixture.ts';
import { noPageToken } from './lists.fixture.ts';

// What stands behind the gateway in its tests, in place of Job.

const keyReused = () =>
  failedPrecondition('IDEMPOTENCY_KEY_REUSED', 'used for another request', {
    fields: [{ field: 'idempotencyKey', code: 'TAKEN', message: 'was used for another request; use a new one' }],
  });

export function jobOf(world: State) {
  const keys = new Map<string, { fingerprint: string; jobId: string }>();
  const read = (jobId: string): Job => {
    const job = world.jobs.get(jobId);
    if (!job) throw notFound('JOB_NOT_FOUND', 'there is no such job');
    return job;
  };
  return {
    async issueJob(request: {
      command: string;
      memberId: string;
      aggregateId: string;
      idempotencyKey: string;
      fingerprint: string;
      cost?: number | undefined;
    }) {
      const { command, memberId, aggregateId, idempotencyKey, fingerprint } = request;
      const key = `${memberId} ${idempotencyKey}`;
      const known = idempotencyKey ? keys.get(key) : undefined;
      if (known && known.fingerprint !== fingerprint) throw keyReused();
      if (known) return { job: read(known.jobId), reused: true };
      const now = new Date();
      const job: Job = {
        jobId: newId(),
        command,
        state: JobState.JOB_STATE_QUEUED,
        progress: undefined,
        resultJson: '',
        error: undefined,
        memberId,
        aggregateId,
        createdAt: now,
        updatedAt: now,
        expiresAt: now,
        version: 1,
      };
      world.jobs.set(job.jobId, job);
      world.costs.push(request.cost);
      if (idempotencyKey) keys.set(key, { fingerprint, jobId: job.jobId });
      return { job, reused: false };
    },
    async findJob({ memberId, idempotencyKey, fingerprint }: { memberId: string; idempotencyKey: string; fingerprint: string }) {
      const known = keys.get(`${memberId} ${idempotencyKey}`);
      if (known && known.fingerprint !== fingerprint) throw keyReused();
      return { job: known && read(known.jobId) };
    },
    getJob: async ({ jobId }: { jobId: string }) => ({ job: read(jobId) }),
    getJobOwners: async ({ jobIds }: { jobIds: string[] }) => ({
      owners: Object.fromEntries(
        jobIds.flatMap((id) => {
          const job = world.jobs.get(id);
          return job ? [[id, job.memberId]] : [];
        }),
      ),
    }),
    async awaitJob({ jobId, waitMs }: { jobId: string; waitMs: number }, { signal }: CallInfo) {
      const deadline = Date.now() + waitMs;
      while (read(jobId).state === JobState.JOB_STATE_RUNNING && Date.now() < deadline && !signal.aborted)
        await new Promise((resolve) => setTimeout(resolve, 20));
      return { job: read(jobId) };
    },
    async listJobs({ memberId, pageToken }: { memberId: string; pageToken: string }) {
      noPageToken(pageToken);
      return { jobs: [...world.jobs.values()].filter((job) => job.memberId === memberId), nextPageToken: '' };
    },
    listUnfinishedJobs: async () => ({ jobs: [], nextPageToken: '' }),
    reportProgress: async () => ({}),
    async finishJob({ jobId, state, error, progress }: FinishJobRequest) {
      Object.assign(read(jobId), { state, error, progress });
      return {};
    },
  };
}

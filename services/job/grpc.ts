import type { z } from 'zod';
import { type FieldViolation, invalidFields } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import type { Logger } from '#platform/process/log.ts';
import { idempotencyKey as keyRule, name, PAGE_SIZE, pageSize as sizeRule } from '#platform/validation/fields.ts';
import { idViolation, SYSTEM } from '#platform/validation/id.ts';
import { PARSING, violationsOf } from '#platform/validation/schema.ts';
import type { JobServiceService } from '#proto/musubi/job/v1/job.ts';
import { JobState as StateMessage } from '#proto/musubi/job/v1/job.ts';
import type { Retention } from './domain.ts';
import type { Finished } from './finished.ts';
import { awaitJob } from './rpcs/await-job.ts';
import { findJob } from './rpcs/find-job.ts';
import { finishJob } from './rpcs/finish-job.ts';
import { getJob } from './rpcs/get-job.ts';
import { issueJob } from './rpcs/issue-job.ts';
import { listJobs, listUnfinishedJobs, turnsOfLists } from './rpcs/list-jobs.ts';
import { reportProgress } from './rpcs/report-progress.ts';
import type { JobStore } from './store.ts';
import { errorOf, progressOf, stateOf, toMessage } from './wire.ts';

const MAX_WAIT_MS = 60_000;
const MAX_RESULT_BYTES = 65_536;
const MAX_OWNERS = 100;
const MAX_COST = 10_000;
const MAX_QUIET_MS = 86_400_000;

/** JobService on gRPC. */
export function jobHandlers({
  store,
  finished,
  retention,
  log,
}: {
  store: JobStore;
  finished: Finished;
  retention: Retention;
  log: Logger;
}): Handlers<JobServiceService> {
  const turns = turnsOfLists();
  return {
    async issueJob({ command, memberId, aggregateId, idempotencyKey, fingerprint, cost = 1 }) {
      check([
        ...origin({ command, memberId }),
        ...(idempotencyKey ? wrong('idempotencyKey', keyRule, idempotencyKey) : []),
        (cost < 1 || cost > MAX_COST) && { field: 'cost', message: `must be between 1 and ${MAX_COST}` },
      ]);
      const asked = { command, memberId, aggregateId, idempotencyKey, fingerprint, cost };
      const { job, reused } = await issueJob(store, retention, asked);
      return { job: toMessage(job), reused };
    },

    async findJob({ memberId, idempotencyKey, fingerprint }) {
      check([ofMember(memberId), ...wrong('idempotencyKey', keyRule, idempotencyKey)]);
      const job = await findJob(store, { memberId, idempotencyKey, fingerprint });
      return { job: job && toMessage(job) };
    },

    async reportProgress({ jobId, state: stateMessage, progress, error }) {
      const state = stateOf(stateMessage);
      if (state !== 'running' && state !== 'compensating') throw refuse('state', 'must be RUNNING or COMPENSATING');
      check([id('jobId', jobId)]);
      await reportProgress(store, retention, log, jobId, {
        state,
        progress: progress && progressOf(progress),
        error: errorOf(error),
      });
      return {};
    },

    async finishJob({ jobId, state: stateMessage, resultJson, error: errorMessage, progress, command, memberId, aggregateId }) {
      const state = stateOf(stateMessage);
      if (state !== 'applied' && state !== 'completed' && state !== 'failed' && state !== 'cancelled') {
        throw refuse('state', 'must be APPLIED, COMPLETED, FAILED or CANCELLED');
      }
      const error = errorOf(errorMessage);
      const issuedFor = command && memberId ? { command, memberId, aggregateId: aggregateId ?? '' } : undefined;
      check([
        id('jobId', jobId),
        ...(issuedFor ? origin(issuedFor) : []),
        state === 'failed' && !error && { field: 'error', message: 'must say why the job failed' },
        resultJson !== '' &&
          !isJsonObject(resultJson) && { field: 'resultJson', message: 'must be a JSON object of at most 64 KiB' },
      ]);
      const told = { state, resultJson, error, progress: progress && progressOf(progress) };
      await finishJob({ store, retention, log }, jobId, told, issuedFor);
      return {};
    },

    async getJob({ jobId }) {
      return { job: toMessage(await getJob(store, jobId)) };
    },

    async getJobOwners({ jobIds }) {
      check([
        jobIds.length > MAX_OWNERS && { field: 'jobIds', message: `must be at most ${MAX_OWNERS} IDs` },
        ...jobIds.map((jobId, at) => id(`jobIds.${at}`, jobId)),
      ]);
      return { owners: Object.fromEntries(await store.owners(jobIds)) };
    },

    async listJobs({ memberId, state: stateMessage, command, pageSize, pageToken }, { signal }) {
      const state = stateOf(stateMessage);
      check([
        ofMember(memberId),
        !state && stateMessage !== StateMessage.JOB_STATE_UNSPECIFIED && { field: 'state', message: 'is not a state of a job' },
        ...wrong('pageSize', sizeRule, pageSize),
      ]);
      const filter = { state, command: command || undefined };
      const part = { pageSize: pageSize || PAGE_SIZE.default, pageToken };
      const page = await listJobs({ store, turns }, memberId, filter, part, signal);
      return { jobs: page.jobs.map(toMessage), nextPageToken: page.nextPageToken };
    },

    async listUnfinishedJobs({ quietMs, pageSize, pageToken }) {
      check([
        (quietMs < 0 || quietMs > MAX_QUIET_MS) && { field: 'quietMs', message: `must be between 0 and ${MAX_QUIET_MS}` },
        ...wrong('pageSize', sizeRule, pageSize),
      ]);
      const page = await listUnfinishedJobs(store, quietMs, pageSize || PAGE_SIZE.default, pageToken);
      return { jobs: page.jobs.map(toMessage), nextPageToken: page.nextPageToken };
    },

    async awaitJob({ jobId, waitMs }, call) {
      check([(waitMs < 0 || waitMs > MAX_WAIT_MS) && { field: 'waitMs', message: `must be between 0 and ${MAX_WAIT_MS}` }]);
      return { job: toMessage(await awaitJob(store, finished, jobId, waitMs, call)) };
    },
  };
}

/** What is wrong with a field by its rule. */
function wrong(field: string, rule: z.ZodType, value: unknown): FieldViolation[] {
  const issues = value === '' ? [REQUIRED] : (rule.safeParse(value, PARSING).error?.issues.flatMap(violationsOf) ?? []);
  return issues.map((issue) => ({ ...issue, field }));
}

const REQUIRED = { code: 'REQUIRED', message: 'is missing' } as const;

function origin({ command, memberId }: { command: string; memberId: string }): (FieldViolation | false)[] {
  return [...wrong('command', name, command), ofMember(memberId)];
}

/** On whose behalf a job is: a member's, or the system's. */
function ofMember(memberId: string): FieldViolation | false {
  return memberId !== SYSTEM && id('memberId', memberId);
}

function id(field: string, value: string): FieldViolation | false {
  const violation = idViolation(value);
  return violation !== undefined && { field, ...violation };
}

function check(violations: (FieldViolation | false)[]): void {
  const fields = violations.filter((violation) => violation !== false);
  if (fields.length > 0) throw invalidFields(fields);
}

function refuse(field: string, message: string): Error {
  return invalidFields([{ field, message }]);
}

function isJsonObject(text: string): boolean {
  if (Buffer.byteLength(text) > MAX_RESULT_BYTES) return false;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

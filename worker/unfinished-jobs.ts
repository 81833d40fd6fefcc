import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionStatusName,
  WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Peer } from '#platform/grpc/client.ts';
import { type FinishJobRequest, type Job, type JobError, type JobServiceService, JobState } from '#proto/musubi/job/v1/job.ts';
import type { Domain } from '../temporal.config.ts';
import type { CommandName } from '../workflows/commands.ts';
import type { RecoverInput } from '../workflows/recover.ts';
import type { Refused } from '../workflows/saga.ts';
import { reset } from './reset.ts';
import { startOptions } from './start.ts';

/** What is seen to: jobs that nothing was heard of for so long, ms. A saga that works says so more often. */
export const QUIET_MS = 60_000;
/** How long Temporal may take to answer, ms. */
const ANSWER_TIMEOUT_MS = 5_000;
/** Jobs that are asked for at once. */
const PAGE_SIZE = 100;

/** Who knows of jobs: Job of their state, Temporal of their workflows. */
export interface Sources {
  client: Client;
  /** The domains that have task queues of their own. */
  own?: readonly Domain[] | undefined;
  job: Pick<Peer<JobServiceService>, 'listUnfinishedJobs' | 'getJob' | 'finishJob'>;
}

/**
 * What a job that has not ended needs:
 * - `nothing`: its workflow is open
 * - `finish`: its workflow has ended it, and Job's record is older
 * - `reset`: its workflow was closed from outside before it had ended the job (terminated, timed out)
 * - `recover`: Temporal knows no workflow of it: the history is lost, or it was never started
 */
export type Repair = 'nothing' | 'finish' | 'reset' | 'recover';

export interface Finding {
  job: Job;
  /** The state of its workflow as Temporal has it. */
  workflow: WorkflowExecutionStatusName | 'NOT_FOUND';
  repair: Repair;
  /** Does it. Twice is as once. */
  apply(): Promise<void>;
}

/** A page of jobs that have not ended and that nothing was heard of for a while. @param pageToken '' for the first page */
export async function unfinishedJobs(
  { job }: Sources,
  pageToken: string,
  quietMs = QUIET_MS,
): Promise<{ jobs: Job[]; nextPageToken: string }> {
  return await job.listUnfinishedJobs({ quietMs, pageSize: PAGE_SIZE, pageToken });
}

/** One job, whenever it was heard of; none if it has ended. Rejects with JOB_NOT_FOUND. */
export async function unfinishedJob({ job: jobs }: Sources, jobId: string): Promise<Job[]> {
  const { job } = await jobs.getJob({ jobId });
  return job && !ENDED.has(job.state) ? [job] : [];
}

const ENDED: ReadonlySet<JobState> = new Set([
  JobState.JOB_STATE_COMPLETED,
  JobState.JOB_STATE_FAILED,
  JobState.JOB_STATE_CANCELLED,
]);

/** Asks Temporal what became of a job's workflow. */
export async function examine(sources: Sources, job: Job): Promise<Finding> {
  const { client } = sources;
  const handle = client.workflow.getHandle(job.jobId);
  const ask = <T>(work: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, work);
  const found = await ask(() => handle.describe()).catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  });
  if (!found) return { job, workflow: 'NOT_FOUND', repair: 'recover', apply: () => ask(() => recover(sources, job)) };
  const workflow = found.status.name;
  const needs = (repair: Repair, apply: () => Promise<unknown>): Finding => {
    return { job, workflow, repair, apply: async () => void (await apply()) };
  };
  switch (workflow) {
    case 'COMPLETED':
    case 'FAILED':
    case 'CANCELLED': {
      const end = workflow === 'CANCELLED' ? cancelled : await ask(() => handle.result().then(endOf, failureOf));
      if (end) return needs('finish', () => sources.job.finishJob(request(job, end)));
      return needs('reset', () => ask(() => reset(client, job.jobId, found.runId)));
    }
    case 'TERMINATED':
    case 'TIMED_OUT':
      return needs('reset', () => ask(() => reset(client, job.jobId, found.runId)));
    default:
      return needs('nothing', () => Promise.resolve());
  }
}

type End = Pick<FinishJobRequest, 'state' | 'resultJson' | 'error'> & { how?: string };

const cancelled: End = { state: JobState.JOB_STATE_CANCELLED, resultJson: '', error: undefined, how: 'cancelled, all undone' };

/** What the workflow of a saga that is done, or was refused, says of its job. */
function endOf(result: object | Refused): End {
  if (!('refused' in result))
    return { state: JobState.JOB_STATE_COMPLETED, resultJson: JSON.stringify(result), error: undefined };
  const { step, code, message } = result.refused;
  const error = { code, message, errors: [] };
  return { state: JobState.JOB_STATE_FAILED, resultJson: '', error, how: `refused at "${step}", all undone` };
}

/** The same of one that failed; undefined: it failed before it had ended its job. */
function failureOf(failed: unknown): End | undefined {
  if (!(failed instanceof WorkflowFailedError)) throw failed;
  const { cause } = failed;
  const error = cause instanceof ApplicationFailure ? (cause.details?.[0] as JobError | undefined) : undefined;
  return error?.code ? { state: JobState.JOB_STATE_FAILED, resultJson: '', error, how: 'failed, all undone' } : undefined;
}

function request({ jobId, command, memberId, aggregateId, progress }: Job, { how, ...end }: End): FinishJobRequest {
  const came = how ? { done: progress?.done ?? 0, total: progress?.total ?? 0, step: how } : undefined;
  return { jobId, command, memberId, aggregateId, ...end, progress: came };
}

/** Starts what ends the job of a saga whose history is lost, in the saga's place. */
async function recover({ client, own }: Sources, { jobId, command: name, memberId, aggregateId, state }: Job): Promise<void> {
  const command = name as CommandName;
  const input: RecoverInput = { command, aggregateId, undoing: state === JobState.JOB_STATE_COMPENSATING };
  const summary = `Recover a lost "${command}"`;
  const options = startOptions({ jobId, command, memberId, aggregateId, input, summary }, own);
  try {
    await client.workflow.start('saga.recover', options);
  } catch (error) {
    // Another repair was faster, and its workflow has ended.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

import { status } from '@grpc/grpc-js';
import { type Client, isGrpcServiceError, ServiceError, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { until } from '#platform/until.fixture.ts';
import type { History } from './history.fixture.ts';

// What operators see of a run, from outside.

/** What the workflow failed with. */
export async function failureOf(handle: WorkflowHandle): Promise<WorkflowFailedError> {
  try {
    await handle.result();
  } catch (error) {
    if (error instanceof WorkflowFailedError) return error;
    throw error;
  }
  throw new Error('the workflow did not fail');
}

/** What it can be found by in the list of workflows. */
export async function attributesOf(handle: WorkflowHandle): Promise<Record<string, unknown>> {
  const { typedSearchAttributes } = await handle.describe();
  return Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
}

/** What it answers to a query. A worker that many tests keep busy may not come to it in the time that Temporal gives it: then it is asked again. */
export async function answerOf<Answer>(handle: WorkflowHandle, query: string): Promise<Answer> {
  const answers: Answer[] = [];
  const isAnswered = async (): Promise<boolean> => {
    try {
      return answers.push(await handle.query<Answer>(query)) > 0;
    } catch (error) {
      const cause = error instanceof ServiceError ? error.cause : error;
      if (isGrpcServiceError(cause) && cause.code === status.DEADLINE_EXCEEDED) return false;
      throw error;
    }
  };
  await until(isAnswered, `an answer to ${query}`);
  return answers[0] as Answer;
}

/** What it tells operators of itself. */
export const detailsOf = async (handle: WorkflowHandle): Promise<string> =>
  (await answerOf<{ currentDetails: string }>(handle, '__temporal_workflow_metadata')).currentDetails;

/** One run of a workflow. */
export interface WorkflowRun {
  workflowId: string;
  events: NonNullable<History['events']>;
}

/** Every run of every workflow of a job. */
export async function runsOf({ workflow }: Client, jobId: string): Promise<WorkflowRun[]> {
  const runs: WorkflowRun[] = [];
  for await (const { workflowId, runId } of workflow.list({ query: `WorkflowId STARTS_WITH "${jobId}"` })) {
    const { events } = await workflow.getHandle(workflowId, runId).fetchHistory();
    runs.push({ workflowId, events: events ?? [] });
  }
  return runs;
}

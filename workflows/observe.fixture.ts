import { type Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
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

/** What it tells operators of itself. */
export const detailsOf = async (handle: WorkflowHandle): Promise<string> =>
  (await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails;

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

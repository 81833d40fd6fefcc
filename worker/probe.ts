import { randomUUID } from 'node:crypto';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';

/** Names no workflow: to say so, Temporal must look into its database. */
const NO_WORKFLOW = 'is-temporal-there';
/** Nobody polls it. */
const QUEUE = 'musubi-probe';

/** Resolves if Temporal can look into its database. It may yet be unable to write there: see {@link probeStart}. */
export async function probeAnswer(client: Client): Promise<void> {
  try {
    await client.workflow.getHandle(NO_WORKFLOW).describe();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/**
 * Resolves if a command could be started: starts a workflow as commands are, with every search attribute of ours, and
 * deletes it. It runs nowhere: its first task is due only when it is long gone, and in a minute should it not be.
 *
 * @returns the ID of the workflow
 */
export async function probeStart({ connection, options: { namespace } }: Client): Promise<string> {
  // Without interceptors: nobody's request is behind it, so it belongs to no trace.
  const client = new Client({ connection, namespace });
  const { workflowId, firstExecutionRunId } = await client.workflow.start('musubi.probe', {
    workflowId: `${QUEUE}-${randomUUID()}`,
    taskQueue: QUEUE,
    startDelay: '1 minute',
    workflowExecutionTimeout: '1 minute',
    typedSearchAttributes: Object.values(SEARCH_ATTRIBUTES).map((key) => ({ key, value: 'probe' })),
    staticSummary: 'A probe: whether commands can be started',
  });
  const workflowExecution = { workflowId, runId: firstExecutionRunId };
  // Who may not delete has yet shown that commands can be started.
  await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution }).catch(() => undefined);
  return workflowId;
}

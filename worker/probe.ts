import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../temporal.config.ts';

/** Names no workflow: to say so, Temporal must look into its database. */
const NO_WORKFLOW = 'is-temporal-there';
/** Nobody polls it. */
const QUEUE = 'musubi-probe';
/** How often Temporal is asked whether it lists a probe, and the pause between, ms. */
const LOOKS = 50;
const LOOK_PAUSE_MS = 100;

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
 * has it deleted. It runs nowhere: its first task is due only when it is long gone, and in a minute should it not be.
 *
 * @returns the ID of the workflow, which may be there for some moments yet
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
  // Who may not delete has yet shown that commands can be started.
  forget(client, workflowId, firstExecutionRunId).catch(() => undefined);
  return workflowId;
}

/**
 * Deletes a probe once it is listed: Temporal lists what began by a task of its own, and one that it works off together
 * with the deletion's may leave it listed for ever. A probe that is not listed in time ends by its timeout.
 */
async function forget(client: Client, workflowId: string, runId: string): Promise<void> {
  const { namespace } = client.options;
  for (let look = 0; look < LOOKS; look++) {
    const { count } = await client.workflow.count(`WorkflowId = '${workflowId}'`);
    if (count > 0) {
      await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } });
      return;
    }
    await sleep(LOOK_PAUSE_MS, undefined, { ref: false });
  }
}

import type { WorkflowStartOptions } from '@temporalio/client';
import { type Domain, queueOfCommand, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import type { Carried } from '../workflows/carried.ts';
import type { CommandName } from '../workflows/commands.ts';

/** A job whose workflow is started. */
export interface JobStart {
  /** The job's ID; it becomes the workflow's ID, so starting twice is starting once. */
  jobId: string;
  /** "member.register", …: its first word tells the task queue. */
  command: CommandName;
  /** The member on whose behalf it runs. */
  memberId: string;
  /** What it changes. */
  aggregateId: string;
  /** Goes into the workflow's history: never a password or token. */
  input: object;
  /** What allowed it, sealed by Auth; absent: the system itself began it. */
  permit?: string | undefined;
  /** One line for operators: 'Register member "taro"'. */
  summary: string;
}

/** How the workflow of a job is started, by whoever starts it. @param own the domains that have task queues of their own */
export function startOptions(job: JobStart, own: readonly Domain[] = []): WorkflowStartOptions {
  const { jobId, command, memberId, aggregateId, input, permit, summary } = job;
  return {
    workflowId: jobId,
    taskQueue: queueOfCommand(command, own),
    args: permit === undefined ? [input] : [input, { permit } satisfies Partial<Carried>],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    typedSearchAttributes: [
      { key: SEARCH_ATTRIBUTES.command, value: command },
      { key: SEARCH_ATTRIBUTES.member, value: memberId },
      { key: SEARCH_ATTRIBUTES.aggregate, value: aggregateId },
    ],
    staticSummary: summary,
    staticDetails: `Command \`${command}\` on \`${aggregateId}\`, on behalf of member \`${memberId}\`.`,
  };
}

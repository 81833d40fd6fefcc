import type { CommandInput, CommandName } from '../workflows/commands.ts';

/** One command to run as a saga. */
export interface CommandStart<C extends CommandName = CommandName> {
  /** The job's ID; it becomes the workflow's ID, so starting twice is starting once. */
  jobId: string;
  /** "member.register", …: names the workflow, and the task queue by its first word. */
  command: C;
  /** The member on whose behalf it runs. */
  memberId: string;
  /** What it changes. */
  aggregateId: string;
  /** Goes into the workflow's history: never a password or token. */
  input: CommandInput<C>;
  /** One line for operators: 'Register member "taro"'. */
  summary: string;
}

/**
 * What became of a request to cancel:
 * - `accepted`: the command will be undone; its job ends `cancelled`
 * - `too-late`: past its point of no return, or ended
 * - `unknown`: no such command was started
 */
export type CancelAnswer = 'accepted' | 'too-late' | 'unknown';

/** Starts and cancels commands. Rejects with unavailable('TEMPORAL_UNAVAILABLE') while Temporal can't be reached. */
export interface Commands {
  startCommand<C extends CommandName>(start: CommandStart<C>): Promise<void>;
  cancelCommand(jobId: string): Promise<CancelAnswer>;
}

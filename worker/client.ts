import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { type Client, QueryRejectedError, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { within } from '#platform/concurrency/abort.ts';
import { Turns } from '#platform/concurrency/turns.ts';
import { unavailable } from '#platform/errors.ts';
import { type Logger, logDefect } from '#platform/process/log.ts';
import { type Domain, TOO_LATE_QUERY } from '../temporal.config.ts';
import type { CommandInput, CommandName } from '../workflows/commands.ts';
import { probeStart } from './probe.ts';
import { type JobStart, startOptions } from './start.ts';

/** One command to run as a saga: the command names the workflow. */
export interface CommandStart<C extends CommandName = CommandName> extends JobStart {
  command: C;
  input: CommandInput<C>;
}

/**
 * What became of a request to cancel:
 * - `accepted`: it was asked for; unless the point of no return is passed this very moment, the command
 *   is undone and its job ends `cancelled`
 * - `too-late`: past its point of no return, or ended
 * - `interrupted`: closed from outside before it had ended its job, so that nobody works on it
 * - `unknown`: no such command was started
 */
type CancelAnswer = 'accepted' | 'too-late' | 'interrupted' | 'unknown';

/** Starts and cancels commands. Rejects with unavailable('TEMPORAL_UNAVAILABLE') while Temporal can't be reached. */
export interface Commands {
  /** Asks nobody: throws unavailable('TEMPORAL_UNAVAILABLE') while it is known that Temporal can't be reached. */
  requireConnection(): void;
  startCommand<C extends CommandName>(start: CommandStart<C>): Promise<void>;
  cancelCommand(jobId: string): Promise<CancelAnswer>;
}

/** How long Temporal may take to answer, ms. */
const ANSWER_TIMEOUT_MS = 5_000;
/**
 * Starts under way at the same time, the others waiting their turn: a Temporal that is asked for hundreds at once takes
 * longer than that for each, and would pass for one that is away.
 */
const STARTS_AT_ONCE = 32;
/** How long the workflow may take to say how far it is, ms. */
const QUERY_TIMEOUT_MS = 2_000;
/** How long until a Temporal that did not answer is asked again whether it does, ms. */
const PROBE_PAUSE_MS = 500;

/** What gRPC says when nobody answers, or not in time; nobody here cancels, so a cancelled call is one whose time was up. */
const UNANSWERED: ReadonlySet<unknown> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  // What Temporal's native client makes of a connection that breaks.
  status.UNKNOWN,
]);

class Late extends Error {}

/** Whether an error says that Temporal, or what it stands on, is away; any other is an answer. */
function unanswered(error: unknown): boolean {
  if (error instanceof Late) return true;
  if (!(error instanceof Error)) return false;
  return ('code' in error && UNANSWERED.has(error.code)) || unanswered(error.cause);
}

/** Whether Temporal calls the request invalid. Its form is ours, so Temporal must have lost our search attributes. */
function refused(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && error.code === status.INVALID_ARGUMENT) || refused(error.cause);
}

/**
 * @param connected the client, while there is a connection
 * @param mend makes what Temporal must know of us, where it has lost it
 * @param own the domains that have task queues of their own
 */
export function createCommands(
  connected: () => Client | undefined,
  log: Logger,
  mend: () => Promise<void> = async () => undefined,
  own: readonly Domain[] = [],
): Commands {
  /** Set while Temporal is known not to answer, though the client has not lost it: no other command waits to learn that. */
  let silent = false;
  const starts = new Turns(STARTS_AT_ONCE);
  const reachable = (): Client => {
    if (silent) throw new Error('Temporal starts nothing');
    const client = connected();
    if (!client) throw new Error('not connected to Temporal');
    return client;
  };
  const listen = async (): Promise<void> => {
    for (let client = connected(); client; client = connected()) {
      try {
        // By what could not be done: there is trouble in which Temporal still answers, but starts nothing.
        await answered(ANSWER_TIMEOUT_MS, client, probeStart);
        break;
      } catch (error) {
        if (!unanswered(error)) break;
        await sleep(PROBE_PAUSE_MS, undefined, { ref: false });
      }
    }
    silent = false;
  };
  /** Rejects after `timeoutMs` also where the client goes on trying by itself; a start that gets through then is the same start. */
  const answered = <T>(timeoutMs: number, client: Client, work: (client: Client) => Promise<T>): Promise<T> => {
    const answer = client.withDeadline(Date.now() + timeoutMs, () => work(client));
    return within(timeoutMs, answer, () => new Late(`Temporal did not answer within ${timeoutMs} ms`));
  };
  const orUnavailable = (error: unknown): never => {
    if (!silent && connected() && unanswered(error)) {
      silent = true;
      listen().catch(logDefect(log, 'Temporal is not listened for'));
    }
    throw unavailable('TEMPORAL_UNAVAILABLE', 'commands cannot be taken at the moment', { cause: error });
  };

  /** What is said of a request to cancel what is not open any more. */
  const closed = async (jobId: string): Promise<CancelAnswer> => {
    try {
      const { status } = await answered(ANSWER_TIMEOUT_MS, reachable(), (client) => client.workflow.getHandle(jobId).describe());
      return status.name === 'TERMINATED' || status.name === 'TIMED_OUT' ? 'interrupted' : 'too-late';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'unknown';
      return orUnavailable(error);
    }
  };

  return {
    requireConnection() {
      try {
        reachable();
      } catch (error) {
        orUnavailable(error);
      }
    },

    async startCommand(start) {
      const { jobId, command } = start;
      const options = { ...startOptions(start, own), requestEagerStart: true };
      try {
        const attempt = () => answered(ANSWER_TIMEOUT_MS, reachable(), (client) => client.workflow.start(command, options));
        const handle = await starts.take(() =>
          attempt().catch(async (error: unknown) => {
            if (!refused(error)) throw error;
            await mend();
            return await attempt();
          }),
        );
        log.debug({ jobId, command, eager: handle.eagerlyStarted }, 'command started');
      } catch (error) {
        // It ran and ended: this start is a late repeat.
        if (error instanceof WorkflowExecutionAlreadyStartedError) return;
        orUnavailable(error);
      }
    },

    async cancelCommand(jobId) {
      try {
        const tooLate = await answered(QUERY_TIMEOUT_MS, reachable(), (client) =>
          client.workflow.getHandle(jobId).query<boolean>(TOO_LATE_QUERY),
        );
        if (tooLate) return 'too-late';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'unknown';
        if (error instanceof QueryRejectedError) return await closed(jobId);
        // Busy in a step, or no worker is up to answer. The request itself is kept by Temporal until one is.
        log.debug({ err: error, jobId }, 'the workflow did not say how far it is');
      }
      try {
        await answered(ANSWER_TIMEOUT_MS, reachable(), (client) => client.workflow.getHandle(jobId).cancel());
        return 'accepted';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return await closed(jobId);
        return orUnavailable(error);
      }
    },
  };
}

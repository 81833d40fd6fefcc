import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  defineQuery,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { JobError } from '#proto/musubi/job/v1/job.ts';
import type { StepCall } from '../activities/call.ts';
import { type Domain, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { type Failure, failureOf } from './failure.ts';
import { cancelJob, completeJob, failJob, reportCompensating } from './job.ts';
import { inWords, mustStep, type Step, tryStep } from './step.ts';

/** Whether the saga is past its point of no return, so that to cancel it is too late. */
export const tooLateQuery = defineQuery<boolean>('tooLate');

export interface Declaration {
  /**
   * Grows by 1 with every change of the order or meaning of steps while workflows of the version
   * before may still run; the change is gated by `since(version)`. Replay tests fail without it.
   */
  version: number;
  /** The steps in order, by the activity's name: "step 2 of 5" is counted by it. */
  steps: readonly string[];
}

/** What a saga is written with. Every step is one activity, idempotent by `jobId/step`, with its service's Undo. */
export interface Saga<Input> {
  input: Input;
  /**
   * Does one step. Its undo is registered before it is tried, for a timeout does not say whether it happened.
   * A refusal, or a minute of vain tries, undoes the saga; so does a request to cancel.
   */
  step<Request, Response>(step: Step<Request, Response>, request: NoInfer<Request>): Promise<Response>;
  /**
   * The last step that may fail. From here on the saga can't be cancelled. If it fails, it is undone
   * like any other step, with its own Undo first: tries that ran out leave it open whether it happened,
   * and the service's tombstone settles it. (To go on trying instead would hold the member's lock for as
   * long as that one service is away.) Once it has answered, there is no way back.
   */
  pivot<Request, Response>(step: Step<Request, Response>, request: NoInfer<Request>): Promise<Response>;
  /** A step after the pivot: it is tried until it is through. */
  finish<Request, Response>(step: Step<Request, Response>, request: NoInfer<Request>): Promise<Response>;
  /** Whether this run was begun by code of that version or later: `if (since(2)) await step(…)`. */
  since(version: number): boolean;
}

/**
 * A business process that happens whole or leaves no trace, as a workflow whose ID is the job's ID.
 *
 * - Undos run in reverse, can't be cancelled, and are tried until they are through.
 * - Only a refusal, exhausted tries or a request to cancel undo. An error in the saga's own code fails
 *   the workflow task: Temporal tries it again until a fix is deployed, and nothing is undone.
 * - The job ends COMPLETED when queries see what the steps wrote, FAILED, or CANCELLED.
 *
 * @param body its return value is the job's result
 */
export function saga<Input, Result extends object>(
  command: `${Domain}.${string}`,
  { version, steps }: Declaration,
  body: (saga: Saga<Input>) => Promise<Result>,
): ((input: Input) => Promise<Result>) & { version: number } {
  const workflow = async (input: Input): Promise<Result> => {
    const run = new Run(command, version, steps);
    setHandler(tooLateQuery, () => run.tooLate);
    let result: Result;
    try {
      result = await body({
        input,
        step: (step, request) => run.step(step, request),
        pivot: (step, request) => run.pivot(step, request),
        finish: (step, request) => run.finish(step, request),
        since: (since) => run.since(since),
      });
    } catch (error) {
      if (isCancellation(error)) {
        await CancellationScope.nonCancellable(() => run.cancelled());
        throw error;
      }
      if (!(error instanceof StepFailed)) throw error;
      const { failure } = error;
      throw await CancellationScope.nonCancellable(() => run.failed(failure));
    }
    run.tooLate = true;
    await CancellationScope.nonCancellable(() => completeJob(result, run.written));
    return result;
  };
  return Object.assign(workflow, { version });
}

/** A step that failed for good. Not a TemporalFailure: if a saga should let it slip, the workflow task fails. */
class StepFailed extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.forOperators);
    this.failure = failure;
  }
}

class Run {
  tooLate = false;
  readonly #command: string;
  readonly #since = new Map<number, boolean>();
  readonly #steps: readonly string[];
  readonly #undos: { step: Step<never, unknown>; call: StepCall }[] = [];
  readonly #written = new Map<string, AggregateVersion>();
  readonly #called = new Set<string>();

  constructor(command: string, version: number, steps: readonly string[]) {
    this.#command = command;
    this.#steps = steps;
    // All at once: asked for later, a run of an old version would take on the new one half-way.
    for (let v = 1; v <= version; v++) this.#since.set(v, v === 1 || patched(`${command}@${v}`));
  }

  get written(): AggregateVersion[] {
    return [...this.#written.values()];
  }

  async step<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    if (this.tooLate) throw new Error(`${step.name}: after the pivot, only finish() may be used`);
    // Not even tried, so nothing to undo.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    const call = this.#begin(step);
    this.#undos.push({ step, call });
    try {
      return this.#keep(await tryStep(step, call, request));
    } catch (error) {
      if (error instanceof TemporalFailure && !isCancellation(error)) throw new StepFailed(failureOf(step, error));
      throw error;
    }
  }

  async pivot<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    const done = CancellationScope.nonCancellable(() => this.step(step, request));
    this.tooLate = true;
    return await done;
  }

  async finish<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    if (!this.tooLate) throw new Error(`${step.name}: finish() is for after the pivot`);
    return this.#keep(await mustStep(step, this.#begin(step), request));
  }

  since(version: number): boolean {
    const begun = this.#since.get(version);
    if (begun === undefined) throw new Error(`${this.#command} has versions 1 to ${this.#since.size}, not ${version}`);
    return begun;
  }

  async failed({ error, forOperators }: Failure): Promise<ApplicationFailure> {
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.failure, value: error.code }]);
    await this.#undo(error, `Failed: ${forOperators}`);
    await failJob(error);
    const failure = ApplicationFailure.nonRetryable(forOperators, error.code, error);
    failure.stack = ''; // it says nothing about the step that failed
    return failure;
  }

  async cancelled(): Promise<void> {
    await this.#undo(null, 'Cancelled.');
    await cancelJob();
  }

  async #undo(error: JobError | null, why: string): Promise<void> {
    const total = this.#undos.length;
    for (let done = 0; done < total; done++) {
      const undo = this.#undos.pop();
      if (!undo) break;
      const words = `undo "${inWords(undo.step)}"`;
      const progress = { done, total, step: words };
      setCurrentDetails(`${why}\n\nUndoing, ${done + 1} of ${total}: ${words}.`);
      if (done === 0) await reportCompensating(progress, error);
      await mustStep(
        { service: undo.step.service, name: 'undo' },
        { operationId: undo.call.operationId, progress, compensating: error },
        undefined,
      );
    }
    setCurrentDetails(`${why}\n\n${total === 0 ? 'Nothing was to be undone.' : 'All of it is undone.'}`);
  }

  #begin(step: Step<never, unknown>): StepCall {
    const done = this.#steps.indexOf(step.name);
    if (done === -1) throw new Error(`${this.#command} does not declare the step ${step.name}`);
    if (this.#called.has(step.name)) throw new Error(`${this.#command} does the step ${step.name} twice`);
    this.#called.add(step.name);
    const total = this.#steps.length;
    setCurrentDetails(`Step ${done + 1} of ${total}: ${inWords(step)}.`);
    return { operationId: `${workflowInfo().workflowId}/${step.name}`, progress: { done, total, step: inWords(step) } };
  }

  /** Remembers which version the step wrote, so that the job ends only when queries see it. */
  #keep<Response>(response: Response): Response {
    const { written } = response as { written?: AggregateVersion };
    if (written) this.#written.set(`${written.type}/${written.id}`, written);
    return response;
  }
}

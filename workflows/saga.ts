import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  defineQuery,
  isCancellation,
  patched,
  setHandler,
  TemporalFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { JobError } from '#proto/musubi/job/v1/job.ts';
import type { StepCall } from '../activities/call.ts';
import { type Domain, type Outcome, SEARCH_ATTRIBUTES, TOO_LATE_QUERY } from '../temporal.config.ts';
import { Account } from './account.ts';
import { type Failure, failureOf } from './failure.ts';
import { cancelJob, completeJob, failJob, reportCompensating } from './job.ts';
import { inWords, mustStep, type Step, tryStep } from './step.ts';

/** Whether the saga is past its point of no return, so that to cancel it is too late. */
export const tooLateQuery = defineQuery<boolean>(TOO_LATE_QUERY);

/**
 * The steps in order, by the activity's name: "step 2 of 5" is counted by it. One list for every version of the
 * saga, the newest last. There is a new version with every change of the order or meaning of steps while workflows
 * of the version before may still run; the change is gated by `since(version)`. Replay tests fail without it.
 */
export type Versions = readonly [readonly string[], ...(readonly string[])[]];

/** What the workflow of a saga that was refused returns, everything being undone. */
export interface Refused {
  refused: { step: string; code: string; message: string };
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
 * - A command that is refused as it should be is no failed workflow: its workflow completes, as {@link Refused}. One
 *   fails where tries ran out, or a service failed: what somebody should look at.
 *
 * @param body its return value is the job's result
 * @returns the workflow, its newest version, and the steps of all versions
 */
export function saga<Input, Result extends object>(
  command: `${Domain}.${string}`,
  versions: Versions,
  body: (saga: Saga<Input>) => Promise<Result>,
): ((input: Input) => Promise<Result | Refused>) & { version: number; steps: ReadonlySet<string> } {
  const workflow = async (input: Input): Promise<Result | Refused> => {
    const run = new Run(command, versions);
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
      return await CancellationScope.nonCancellable(() => run.failed(failure));
    }
    await CancellationScope.nonCancellable(() => run.done(result));
    return result;
  };
  return Object.assign(workflow, { version: versions.length, steps: new Set(versions.flat()) });
}

/** A step that failed for good. Not a TemporalFailure: if a saga should let it slip, the workflow task fails. */
class StepFailed extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.forOperators);
    this.failure = failure;
  }
}

/**
 * The version of what all sagas share, gated like theirs: it grows when runs that go on would be led to other commands.
 * Since 2: an outcome is told as MusubiOutcome, and a refusal is no failed workflow.
 */
export const ENGINE_VERSION = 2;

class Run {
  tooLate = false;
  readonly #command: string;
  readonly #tellsOutcome: boolean;
  /** The saga's version that this run was begun with. */
  readonly #version: number;
  readonly #versions: number;
  readonly #steps: readonly string[];
  readonly #account = new Account();
  readonly #undos: { step: Step<never, unknown>; call: StepCall }[] = [];
  readonly #written = new Map<string, AggregateVersion>();
  readonly #called = new Set<string>();
  /** The step that was begun last. */
  #last: StepCall['progress'];

  constructor(command: string, versions: Versions) {
    this.#command = command;
    this.#tellsOutcome = patched(`saga@${ENGINE_VERSION}`);
    // At once: asked for later, a run of an old version would take on the new one half-way. The newest first: a new run
    // remembers that one, and an old one the one it was begun with.
    let version = versions.length;
    while (version > 1 && !patched(`${command}@${version}`)) version--;
    this.#version = version;
    this.#versions = versions.length;
    this.#steps = versions[version - 1] ?? [];
  }

  async step<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    if (this.tooLate) throw new Error(`${step.name}: after the pivot, only finish() may be used`);
    // Not even tried, so nothing to undo.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    const call = this.#begin(step);
    this.#undos.push({ step, call });
    const tried = () =>
      tryStep(step, call, request).catch((error: unknown) => {
        if (error instanceof TemporalFailure && !isCancellation(error)) throw new StepFailed(failureOf(step, error));
        throw error;
      });
    return this.#keep(await this.#account.row(inWords(step), tried, howItFailed));
  }

  async pivot<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    const done = CancellationScope.nonCancellable(() => this.step(step, request));
    this.tooLate = true;
    return await done;
  }

  async finish<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    if (!this.tooLate) throw new Error(`${step.name}: finish() is for after the pivot`);
    const call = this.#begin(step);
    return this.#keep(await this.#account.row(inWords(step), () => mustStep(this.#account, step, call, request)));
  }

  since(version: number): boolean {
    if (version > this.#versions) throw new Error(`${this.#command} has versions 1 to ${this.#versions}, not ${version}`);
    return version <= this.#version;
  }

  async done(result: object): Promise<void> {
    this.tooLate = true;
    await completeJob(this.#account, this.#steps.length, result, [...this.#written.values()]);
    this.#tellOutcome('done');
  }

  async failed({ at, refused, error, forOperators }: Failure): Promise<Refused> {
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.failure, value: error.code }]);
    this.#tellOutcome(refused ? 'refused' : 'failed');
    const how = refused ? 'refused' : 'failed';
    await this.#undo(error, `${how === 'refused' ? 'Refused' : 'Failed'}: ${forOperators}`, `${how} at "${at}": ${error.code}`);
    await failJob(this.#account, error, this.#end(`${how} at "${at}"`));
    if (refused && this.#tellsOutcome) return { refused: { step: at, code: error.code, message: error.message } };
    const failure = ApplicationFailure.nonRetryable(forOperators, error.code, error);
    failure.stack = ''; // it says nothing about the step that failed
    throw failure;
  }

  async cancelled(): Promise<void> {
    this.#tellOutcome('cancelled');
    await this.#undo(null, 'Cancelled.', 'cancelled');
    const at = this.#last ? ` at "${this.#last.step}"` : '';
    await cancelJob(this.#account, this.#end(`cancelled${at}`));
  }

  async #undo(error: JobError | null, why: string, inShort: string): Promise<void> {
    const total = this.#undos.length;
    this.#account.say(`${why}\n\n${total === 0 ? 'Nothing is to be undone.' : 'It is being undone.'}`);
    for (let done = 0; done < total; done++) {
      const undo = this.#undos.pop();
      if (!undo) break;
      const words = `undo "${inWords(undo.step)}"`;
      const progress = { done, total, step: words };
      if (done === 0) await reportCompensating(inShort, progress, error);
      const call = { operationId: undo.call.operationId, progress, compensating: error };
      const service = { service: undo.step.service, name: 'undo' };
      await this.#account.row(words, () => mustStep(this.#account, service, call, undefined));
    }
    this.#account.say(`${why}\n\n${total === 0 ? 'Nothing was to be undone.' : 'All of it is undone.'}`);
  }

  /** How far a run that was undone had come. */
  #end(how: string): { done: number; total: number; step: string } {
    return { done: this.#last?.done ?? 0, total: this.#steps.length, step: `${how}, all undone` };
  }

  /** While a run is open, an outcome says what it will come to: it is being undone. */
  #tellOutcome(value: Outcome): void {
    if (this.#tellsOutcome) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.outcome, value }]);
  }

  #begin(step: Step<never, unknown>): StepCall {
    const done = this.#steps.indexOf(step.name);
    if (done === -1) throw new Error(`${this.#command} does not declare the step ${step.name}`);
    if (this.#called.has(step.name)) throw new Error(`${this.#command} does the step ${step.name} twice`);
    this.#called.add(step.name);
    const total = this.#steps.length;
    this.#account.say(`Step ${done + 1} of ${total}: ${inWords(step)}.`);
    this.#last = { done, total, step: inWords(step) };
    return { operationId: `${workflowInfo().workflowId}/${step.name}`, progress: this.#last };
  }

  /** Remembers which version the step wrote, so that the job ends only when queries see it. */
  #keep<Response>(response: Response): Response {
    const { written } = response as { written?: AggregateVersion };
    if (written) this.#written.set(`${written.type}/${written.id}`, written);
    return response;
  }
}

function howItFailed(error: unknown): string {
  if (error instanceof StepFailed) return `${error.failure.refused ? 'refused' : 'failed'}: ${error.failure.error.code}`;
  return isCancellation(error) ? 'cancelled' : 'failed';
}

import { CancellationScope, defineQuery, isCancellation, setHandler } from '@temporalio/workflow';
import { TOO_LATE_QUERY } from '../temporal.config.ts';
import type { Carried } from './carried.ts';
import { declare, type Part, type PartsOf, type RequestOf, type SagaDeclaration, type Versions } from './declaration.ts';
import { StepFailed } from './failure.ts';
import { Run } from './run.ts';
import type { AnyStep, StepRequest, StepResponse } from './step.ts';

export { finish, pivot, type SagaDeclaration } from './declaration.ts';

/** Whether the saga is past its point of no return, so that to cancel it is too late. */
export const tooLateQuery = defineQuery<boolean>(TOO_LATE_QUERY);

/** What the workflow of a saga that was refused returns, everything being undone. */
export interface Refused {
  refused: { step: string; code: string; message: string };
}

/** A saga's workflow, with what it declares. */
export interface SagaWorkflow<Input, Result> extends SagaDeclaration {
  (input: Input, carried?: Partial<Carried>): Promise<Result | Refused>;
}
type ResultOf<S> = S extends SagaWorkflow<never, infer Result> ? Result : never;

/** What a saga is written with. Every step is one activity, idempotent by `jobId/service.step`, with its service's Undo. */
export interface Saga<P extends Part> {
  /**
   * Does one of the declared steps. Up to the pivot its undo is registered before it is tried, for a timeout does not say
   * whether it happened: a refusal, or a minute of vain tries, undoes the saga, and so does a request to cancel. After the
   * pivot it is tried until it is through.
   */
  step<T extends Extract<P, AnyStep>>(step: T, request: NoInfer<StepRequest<T>>): Promise<StepResponse<T>>;
  /**
   * Runs one of the declared sagas, as a child workflow of the same job. It is a part of this one, so it has no end of its
   * own: before the pivot, where it must have no pivot itself, it is undone with this one, as this one is with it; after
   * the pivot it is tried until it is through. Its steps count in the job's progress, what they write is waited for, and
   * their keys are `jobId/command/service.step`.
   */
  child<T extends Extract<P, SagaDeclaration>>(saga: T, input: NoInfer<RequestOf<T>>): Promise<ResultOf<T>>;
  /**
   * Does a step, or runs a saga, for each of many, 10,000 at most, some at a time. Every item has a key and an undo of its own, and counts
   * in the job's progress. A list that would make the history too long goes on in a new run of the workflow. After the
   * pivot only a saga that another one runs has lists. It finds them itself, so it can do so without the first one's history.
   *
   * @param of an item's key, unique in the list and without a slash (an ID), and what the step is asked for it: of a saga its input
   * @param options `atOnce`: items under way at the same time, from 1 to 100; default 10
   */
  each<T extends P, Item>(
    part: T,
    items: readonly Item[],
    of: (item: Item) => { key: string; request: NoInfer<RequestOf<T>> },
    options?: { atOnce?: number },
  ): Promise<void>;
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
 * @param body its return value is the job's result. It may run again from the start in a run that goes on from another
 *   one: parts that are done answer at once as they did.
 */
export function saga<Input, Result extends object, const V extends Versions>(
  command: SagaDeclaration['command'],
  versions: V,
  body: (saga: Saga<PartsOf<V>>, input: Input) => Promise<Result>,
): SagaWorkflow<Input, Result> {
  const declaration = declare(command, versions);
  const workflow = async (input: Input, carried: Partial<Carried> = {}): Promise<Result | Refused> => {
    const run = new Run(declaration, input, carried);
    setHandler(tooLateQuery, () => run.tooLate);
    return (await endOf(run, carried, () => body(api(run), input))) as Result | Refused;
  };
  return Object.assign(workflow, declaration);
}

async function endOf(run: Run, { undoing }: Partial<Carried>, body: () => Promise<object>): Promise<object> {
  const nonCancellable = (work: () => Promise<object>) => CancellationScope.nonCancellable(work);
  if (undoing) return await nonCancellable(() => run.goOnUndoing(undoing));
  let result: object;
  try {
    result = await body();
  } catch (error) {
    if (isCancellation(error)) return await nonCancellable(() => run.giveUp(null));
    if (!(error instanceof StepFailed)) throw error;
    const { failure } = error;
    return await nonCancellable(() => run.giveUp(failure));
  }
  return await nonCancellable(() => run.done(result));
}

function api<P extends Part>(run: Run): Saga<P> {
  const { step, child, each, since } = run;
  return { step: step.bind(run), child: child.bind(run), each: each.bind(run), since: since.bind(run) } as unknown as Saga<P>;
}

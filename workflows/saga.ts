import { CancellationScope, defineQuery, isCancellation, setHandler } from '@temporalio/workflow';
import { type Domain, TOO_LATE_QUERY } from '../temporal.config.ts';
import { type Carried, Run, StepFailed } from './run.ts';
import { type AnyStep, fullName, type StepRequest, type StepResponse } from './step.ts';

/** Whether the saga is past its point of no return, so that to cancel it is too late. */
export const tooLateQuery = defineQuery<boolean>(TOO_LATE_QUERY);

/** The last step that may fail: once it has answered there is no way back. */
export interface Pivot<S extends AnyStep = AnyStep> {
  readonly pivot: S;
}

/**
 * Marks the pivot in a saga's list of steps. From there on the saga can't be cancelled. If the pivot fails, it is undone
 * like any other step, with its own undo first: tries that ran out leave it open whether it happened, and the service's
 * tombstone settles it. (To go on trying instead would hold the aggregate's lock for as long as that one service is away.)
 * Of several marked steps the first that a run does is its pivot.
 */
export const pivot = <S extends AnyStep>(step: S): Pivot<S> => ({ pivot: step });

type Declared = AnyStep | Pivot;

/**
 * The steps in order, with the pivot. One list for every version of the saga, the newest last. There is a new version with
 * every change of the order or meaning of steps while workflows of the version before may still run; the change is gated
 * by `since(version)`. Replay tests fail without it.
 */
export type Versions = readonly [readonly Declared[], ...(readonly Declared[])[]];
type StepIn<V extends Versions> = V[number][number] extends infer D
  ? D extends Pivot<infer S>
    ? S
    : D extends AnyStep
      ? D
      : never
  : never;

/** What the workflow of a saga that was refused returns, everything being undone. */
export interface Refused {
  refused: { step: string; code: string; message: string };
}

/** What a saga is written with. Every step is one activity, idempotent by `jobId/service.step`, with its service's Undo. */
export interface Saga<S extends AnyStep> {
  /**
   * Does one of the declared steps. Up to the pivot its undo is registered before it is tried, for a timeout does not say
   * whether it happened: a refusal, or a minute of vain tries, undoes the saga, and so does a request to cancel. After the
   * pivot it is tried until it is through.
   */
  step<T extends S>(step: T, request: NoInfer<StepRequest<T>>): Promise<StepResponse<T>>;
  /**
   * Does a step for each of many, some at a time. Every item has a key and an undo of its own, and counts in the job's
   * progress. A list that would make the history too long goes on in a new run of the workflow.
   *
   * @param of an item's key, unique in the list (an ID), and what the step is asked for it
   * @param options `atOnce`: items under way at the same time; default 10
   */
  each<T extends S, Item>(
    step: T,
    items: readonly Item[],
    of: (item: Item) => { key: string; request: NoInfer<StepRequest<T>> },
    options?: { atOnce?: number },
  ): Promise<void>;
  /** Whether this run was begun by code of that version or later: `if (since(2)) await step(…)`. */
  since(version: number): boolean;
}

/** What is known of a saga from outside: the engine, tests and histories read it from the one declaration. */
export interface SagaDeclaration {
  command: `${Domain}.${string}`;
  /** The steps of the newest version, in order. */
  steps: readonly AnyStep[];
  /** Those that only older versions have. */
  older: readonly AnyStep[];
  /** Those of its steps that can be the pivot, by name: `auth.grantRoles`. */
  pivots: readonly string[];
  /** The newest version's number. */
  version: number;
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
 *   one: steps that are done answer at once as they did.
 */
export function saga<Input, Result extends object, const V extends Versions>(
  command: `${Domain}.${string}`,
  versions: V,
  body: (saga: Saga<StepIn<V>>, input: Input) => Promise<Result>,
): ((input: Input, carried?: Carried) => Promise<Result | Refused>) & SagaDeclaration {
  const lists = versions.map((declared) => ({ steps: declared.map(stepOf), pivots: pivotsOf(declared) }));
  const workflow = async (input: Input, carried?: Carried): Promise<Result | Refused> => {
    const run = new Run(command, lists, input, carried);
    setHandler(tooLateQuery, () => run.tooLate);
    if (carried?.undoing) return await CancellationScope.nonCancellable(() => run.goOnUndoing());
    let result: Result;
    try {
      const api = {
        step: (step: AnyStep, request: unknown) => run.step(step, request),
        each: <Item>(
          step: AnyStep,
          items: readonly Item[],
          of: (item: Item) => { key: string; request: unknown },
          options?: { atOnce?: number },
        ) => run.each(step, items, of, options),
        since: (since: number) => run.since(since),
      };
      result = await body(api as Saga<StepIn<V>>, input);
    } catch (error) {
      if (isCancellation(error)) return await CancellationScope.nonCancellable(() => run.cancelled());
      if (!(error instanceof StepFailed)) throw error;
      const { failure } = error;
      return await CancellationScope.nonCancellable(() => run.failed(failure));
    }
    await CancellationScope.nonCancellable(() => run.done(result));
    return result;
  };
  const { steps = [], pivots = [] } = lists.at(-1) ?? {};
  const isOf = (some: readonly AnyStep[], step: AnyStep): boolean => some.some((one) => fullName(one) === fullName(step));
  const older = lists.flatMap((list) => list.steps).filter((step) => !isOf(steps, step));
  return Object.assign(workflow, { command, steps, older, pivots, version: lists.length });
}

const stepOf = (declared: Declared): AnyStep => ('pivot' in declared ? declared.pivot : declared);
const pivotsOf = (declared: readonly Declared[]): string[] =>
  declared.flatMap((each) => ('pivot' in each ? [`${each.pivot.service}.${each.pivot.name}`] : []));

import { CancellationScope, CancelledFailure, isCancellation, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { StepCall } from '../activities/call.ts';
import { HISTORY } from '../temporal.config.ts';
import { nameOf, wordsOf } from './declaration.ts';
import type { Details } from './details.ts';
import { failureOf, StepFailed } from './failure.ts';
import type { Place } from './progress.ts';
import type { ToUndo } from './records.ts';
import { type AnyStep, mustStep, type Step, tryStep } from './step.ts';

/** A run's own steps: each is tried so as to be undone, or past the pivot until it is through. */
export class Tries {
  tooLate: boolean;
  /** What is to be undone, by the operation or the list that it is of. */
  readonly #undos = new Map<string, ToUndo>();
  readonly #details: Details;
  readonly #engine: number;

  constructor(details: Details, { engine, tooLate }: { engine: number; tooLate: boolean }) {
    this.#details = details;
    this.#engine = engine;
    this.tooLate = tooLate;
  }

  /** What is to be undone of all that this run has tried. What runs before it did, and sagas that it runs, only services know. */
  get undos(): ToUndo[] {
    return [...this.#undos.values()];
  }

  /** A step's key. */
  idOf(step: AnyStep): string {
    return `${workflowInfo().workflowId}/${this.#engine >= 3 ? nameOf(step) : step.name}`;
  }

  /** Notes that an operation is to be undone. */
  #remember(step: AnyStep, operationId: string): void {
    const { service } = step;
    const words = wordsOf(step);
    const id = this.idOf(step);
    const undo = this.#undos.get(id) ?? { words, items: [] };
    undo.items.push([{ service, words, operationId }]);
    this.#undos.set(id, undo);
  }

  /** The undo is registered first: a timeout does not say whether it happened. */
  async one<Response>(step: Step<never, Response>, call: StepCall, request: unknown, isPivot: boolean): Promise<Response> {
    if (this.tooLate) return await mustStep(this.#details, step, call, request);
    // Not even tried, so nothing to undo.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.#remember(step, call.operationId);
    if (!isPivot) return await this.#try(step, call, request);
    const tried = CancellationScope.nonCancellable(() => this.#try(step, call, request));
    this.tooLate = true;
    return await tried;
  }

  /** One of many. */
  async item(step: AnyStep, key: string, request: unknown, progress: Place): Promise<unknown> {
    const operationId = `${this.idOf(step)}/${key}`;
    if (!this.tooLate) this.#remember(step, operationId);
    return await this.#try(step, { operationId, progress }, request);
  }

  #try<Response>(step: Step<never, Response>, call: StepCall, request: unknown): Promise<Response> {
    if (this.tooLate) return mustStep(this.#details, step, call, request);
    return tryStep(step, call, request).catch((error: unknown) => {
      if (error instanceof TemporalFailure && !isCancellation(error)) throw new StepFailed(failureOf(step, error));
      throw error;
    });
  }
}

/** Checks what `each` is given. A key is a part of an operation's ID, and of a child workflow's. */
export function checkList(name: string, all: readonly { key: string }[], atOnce: number): void {
  const { mostAtOnce, mostOfList } = HISTORY;
  if (all.length > mostOfList) throw new Error(`${name}: a list has at most ${mostOfList} items, not ${all.length}`);
  if (!Number.isInteger(atOnce) || atOnce < 1 || atOnce > mostAtOnce)
    throw new Error(`${name}: ${atOnce} items can not be under way at the same time, but 1 to ${mostAtOnce}`);
  if (new Set(all.map(({ key }) => key)).size < all.length) throw new Error(`${name}: a key is given twice`);
  const wrong = all.find(({ key }) => key === '' || key.includes('/'));
  if (wrong) throw new Error(`${name}: "${wrong.key}" is no key`);
}

import { CancellationScope, CancelledFailure, isCancellation, TemporalFailure, workflowInfo } from '@temporalio/workflow';
import type { StepCall } from '../activities/call.ts';
import { nameOf, wordsOf } from './declaration.ts';
import type { Details } from './details.ts';
import { failureOf, StepFailed } from './failure.ts';
import type { Place } from './progress.ts';
import type { ToUndo } from './records.ts';
import { type AnyStep, mustStep, type Step, tryStep } from './step.ts';

/** A run's own steps: each is tried so as to be undone, or past the pivot until it is through. */
export class Tries {
  tooLate: boolean;
  /** What is to be undone of all that this run has tried. What runs before it did, and sagas that it runs, only services know. */
  readonly undos: ToUndo[] = [];
  readonly #details: Details;
  readonly #engine: number;

  constructor(details: Details, { engine, tooLate }: { engine: number; tooLate: boolean }) {
    this.#details = details;
    this.#engine = engine;
    this.tooLate = tooLate;
  }

  /** A step's key. */
  idOf(step: AnyStep): string {
    return `${workflowInfo().workflowId}/${this.#engine >= 3 ? nameOf(step) : step.name}`;
  }

  /** Notes what is to be undone. @returns what it is noted as */
  #remember(step: AnyStep): ToUndo {
    const operationId = this.idOf(step);
    let undo = this.undos.find((one) => one.operationId === operationId);
    if (!undo) {
      undo = { service: step.service, words: wordsOf(step), operationId };
      this.undos.push(undo);
    }
    return undo;
  }

  /** The undo is registered first: a timeout does not say whether it happened. */
  async one<Response>(step: Step<never, Response>, call: StepCall, request: unknown, isPivot: boolean): Promise<Response> {
    if (this.tooLate) return await mustStep(this.#details, step, call, request);
    // Not even tried, so nothing to undo.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.#remember(step);
    if (!isPivot) return await this.#try(step, call, request);
    const tried = CancellationScope.nonCancellable(() => this.#try(step, call, request));
    this.tooLate = true;
    return await tried;
  }

  /** One of many. */
  async item(step: AnyStep, key: string, request: unknown, progress: Place): Promise<unknown> {
    if (!this.tooLate) {
      const undo = this.#remember(step);
      undo.keys ??= [];
      undo.keys.push(key);
    }
    return await this.#try(step, { operationId: `${this.idOf(step)}/${key}`, progress }, request);
  }

  #try<Response>(step: Step<never, Response>, call: StepCall, request: unknown): Promise<Response> {
    if (this.tooLate) return mustStep(this.#details, step, call, request);
    return tryStep(step, call, request).catch((error: unknown) => {
      if (error instanceof TemporalFailure && !isCancellation(error)) throw new StepFailed(failureOf(step, error));
      throw error;
    });
  }
}

/** A key is a part of an operation's ID, and of a child workflow's. */
export function checkKeys(name: string, all: readonly { key: string }[]): void {
  if (new Set(all.map(({ key }) => key)).size < all.length) throw new Error(`${name}: a key is given twice`);
  const wrong = all.find(({ key }) => key === '' || key.includes('/'));
  if (wrong) throw new Error(`${name}: "${wrong.key}" is no key`);
}

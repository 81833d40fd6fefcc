import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  isCancellation,
  makeContinueAsNewFunc,
  patched,
  TemporalFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { StepCall } from '../activities/call.ts';
import { HISTORY, type Outcome, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { Details } from './details.ts';
import { type Failure, failureOf } from './failure.ts';
import { cancelJob, completeJob, failJob, reportCompensating, reportProgress } from './job.ts';
import type { Refused } from './saga.ts';
import { type AnyStep, fullName, inWords, mustStep, type Step, tryStep } from './step.ts';

/** A step that failed for good. Not a TemporalFailure: if a saga should let it slip, the workflow task fails. */
export class StepFailed extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.forOperators);
    this.failure = failure;
  }
}

/**
 * The version of what all sagas share, gated like theirs: it grows when runs that go on would be led to other commands.
 * - 2: an outcome is told as MusubiOutcome, and a refusal is no failed workflow
 * - 3: an operation's ID names the step's service, too
 */
export const ENGINE_VERSION = 3;

/** One version of a saga. */
export interface StepList {
  steps: readonly AnyStep[];
  /** Names of the steps that can be the pivot. */
  pivots: readonly string[];
}

/** A step to take back: of `each`, with the operations of its items. */
interface ToUndo {
  service: string;
  /** "create member" */
  words: string;
  operationIds: string[];
  atOnce: number;
}

/** What a run hands on to the next one, when its history would become too long. */
export interface Carried {
  engine: number;
  version: number;
  /** What the steps that are done answered, by their names; of `each`, how many items are done. */
  answers: Record<string, unknown>;
  itemsDone: Record<string, number>;
  undos: ToUndo[];
  written: AggregateVersion[];
  tooLate: boolean;
  /** Set when it is being undone. */
  undoing?: { why: Failure | null; done: number; total: number; last: StepCall['progress'] };
}

const AT_ONCE = 10;

/** One run of a saga: what it has done, and how to take it back. */
export class Run {
  tooLate: boolean;
  readonly #command: string;
  readonly #input: unknown;
  readonly #engine: number;
  /** The saga's version that this run was begun with. */
  readonly #version: number;
  readonly #versions: number;
  readonly #list: StepList;
  readonly #details = new Details();
  readonly #undos: ToUndo[];
  readonly #written: Map<string, AggregateVersion>;
  readonly #called = new Set<string>();
  readonly #answers: Record<string, unknown>;
  readonly #itemsDone: Record<string, number>;
  readonly #undoing: Carried['undoing'];
  /** The step that was begun last. */
  #last: StepCall['progress'];
  /** Items that this run has done or undone: each adds to its history. */
  #items = 0;
  /** How many of them were done before this workflow task. */
  #itemsOfTask = 0;

  constructor(command: string, versions: readonly StepList[], input: unknown, carried?: Carried) {
    this.#command = command;
    this.#input = input;
    this.#versions = versions.length;
    // At once: asked for later, a run of an old version would take on the new one half-way. The newest first: a new run
    // remembers that one, and an old one the one it was begun with. A run that goes on from another one is what that was.
    this.#engine = carried?.engine ?? newestOf('saga', ENGINE_VERSION);
    this.#version = carried?.version ?? newestOf(command, versions.length);
    this.#list = versions[this.#version - 1] ?? { steps: [], pivots: [] };
    this.#answers = carried?.answers ?? {};
    this.#itemsDone = carried?.itemsDone ?? {};
    this.#undos = carried?.undos ?? [];
    this.#written = new Map(carried?.written.map((version) => [keyOf(version), version]));
    this.#undoing = carried?.undoing;
    this.#last = carried?.undoing?.last;
    this.tooLate = carried?.tooLate ?? false;
  }

  async step<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    const name = fullName(step);
    const begun = this.#begin(step);
    if (Object.hasOwn(this.#answers, name)) return this.#answers[name] as Response;
    const isPivot = !this.tooLate && this.#list.pivots.includes(name);
    const call = { operationId: this.#operationId(step), progress: begun };
    const tried = this.#details.row(inWords(step), () => this.#tryOnce(step, call, request, isPivot), howItFailed);
    return this.#keep(name, await tried);
  }

  async each<Item>(
    step: AnyStep,
    items: readonly Item[],
    of: (item: Item) => { key: string; request: unknown },
    { atOnce = AT_ONCE }: { atOnce?: number } = {},
  ): Promise<void> {
    const name = fullName(step);
    if (this.#list.pivots.includes(name)) throw new Error(`${name}: the pivot is one step, not many`);
    const { total, done: before } = this.#begin(step, items.length);
    const all = items.map(of);
    if (new Set(all.map(({ key }) => key)).size < all.length) throw new Error(`${name}: a key is given twice`);
    const undo: ToUndo = this.#undos.find(({ words }) => words === inWords(step)) ?? this.#toUndo(step, atOnce);
    let next = this.#itemsDone[name] ?? 0;
    const row = `${inWords(step)}, for ${items.length}`;
    const one = async (item: { key: string; request: unknown }, index: number): Promise<void> => {
      const operationId = `${this.#operationId(step)}/${item.key}`;
      const call = { operationId, progress: { done: before + index, total, step: inWords(step) } };
      if (!this.tooLate) undo.operationIds.push(operationId);
      this.#keepWritten(await this.#tryItem(step, call, item.request));
      this.#items++;
    };
    await this.#details.row(
      row,
      async () => {
        while (next < all.length) {
          if (!this.tooLate && CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
          // All of them are waited for, so that what failed is undone with what was under way beside it.
          const chunk = all.slice(next, next + atOnce);
          const outcomes = await Promise.allSettled(chunk.map((item, at) => one(item, next + at)));
          const failed = outcomes.find((outcome) => outcome.status === 'rejected');
          if (failed) throw failed.reason;
          next += chunk.length;
          this.#itemsDone[name] = next;
          await this.#goOnInNewRun({ done: before + next, total, step: inWords(step) });
        }
      },
      howItFailed,
    );
  }

  since(version: number): boolean {
    if (version > this.#versions) throw new Error(`${this.#command} has versions 1 to ${this.#versions}, not ${version}`);
    return version <= this.#version;
  }

  async done(result: object): Promise<void> {
    this.tooLate = true;
    await completeJob(this.#details, this.#total(), result, [...this.#written.values()]);
    this.#tellOutcome('done');
  }

  async failed(failure: Failure): Promise<Refused> {
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.failure, value: failure.error.code }]);
    this.#tellOutcome(failure.refused ? 'refused' : 'failed');
    return await this.#undoAll(failure, 0, this.#toUndoInAll());
  }

  async cancelled(): Promise<Refused> {
    this.#tellOutcome('cancelled');
    return await this.#undoAll(null, 0, this.#toUndoInAll());
  }

  /** Goes on with what another run was undoing. */
  async goOnUndoing(): Promise<Refused> {
    const { why, done, total } = this.#undoing ?? { why: null, done: 0, total: 0 };
    return await this.#undoAll(why, done, total);
  }

  /** Takes back what was done, the last first, and ends the job. @param why null: it was cancelled */
  async #undoAll(why: Failure | null, done: number, total: number): Promise<Refused> {
    await this.#undo(why, done, total);
    if (!why) {
      const at = this.#last ? ` at "${this.#last.step}"` : '';
      await cancelJob(this.#details, this.#end(`cancelled${at}`));
      throw new CancelledFailure('cancelled');
    }
    const { at, refused, error, forOperators } = why;
    await failJob(this.#details, error, this.#end(`${howOf(why)} at "${at}"`));
    if (refused && this.#engine >= 2) return { refused: { step: at, code: error.code, message: error.message } };
    const failure = ApplicationFailure.nonRetryable(forOperators, error.code, error);
    failure.stack = ''; // it says nothing about the step that failed
    throw failure;
  }

  async #undo(why: Failure | null, before: number, total: number): Promise<void> {
    const error = why?.error ?? null;
    const said = why ? `${why.refused ? 'Refused' : 'Failed'}: ${why.forOperators}` : 'Cancelled.';
    const inShort = why ? `${howOf(why)} at "${why.at}": ${why.error.code}` : 'cancelled';
    this.#details.say(`${said}\n\n${total === 0 ? 'Nothing is to be undone.' : 'It is being undone.'}`);
    let done = before;
    for (let undo = this.#undos.at(-1); undo; undo = this.#undos.at(-1)) {
      const { service, operationIds, atOnce } = undo;
      const words = `undo "${undo.words}"`;
      const many = operationIds.length > 1 ? `, for ${operationIds.length}` : '';
      if (done === 0) await reportCompensating(inShort, { done, total, step: words }, error);
      await this.#details.row(`${words}${many}`, async () => {
        while (operationIds.length > 0) {
          const chunk = operationIds.slice(-atOnce).reverse();
          await Promise.all(
            chunk.map((operationId, at) => {
              const call = { operationId, progress: { done: done + at, total, step: words }, compensating: error };
              return mustStep(this.#details, { service, name: 'undo' }, call, undefined);
            }),
          );
          operationIds.length -= chunk.length;
          done += chunk.length;
          this.#items += chunk.length;
          if (operationIds.length > 0)
            await this.#goOnInNewRun({ done, total, step: words }, { why, done, total, last: this.#last });
        }
      });
      this.#undos.pop();
    }
    this.#details.say(`${said}\n\n${total === 0 ? 'Nothing was to be undone.' : 'All of it is undone.'}`);
  }

  /** Between the items of a list: continues as new where the history would become too long to be read by a worker in a moment. */
  async #goOnInNewRun(progress: NonNullable<StepCall['progress']>, undoing?: Carried['undoing']): Promise<void> {
    // A request to cancel, and the true length of the history, come with the next workflow task only.
    if (this.#items - this.#itemsOfTask >= HISTORY.itemsOfTask) {
      this.#itemsOfTask = this.#items;
      await reportProgress(progress, undoing && (undoing.why?.error ?? null));
    }
    if (!undoing && !this.tooLate && CancellationScope.current().consideredCancelled) return;
    if (this.#items < HISTORY.mostItems && workflowInfo().historyLength < HISTORY.mostEvents) return;
    const carried: Carried = {
      engine: this.#engine,
      version: this.#version,
      answers: this.#answers,
      itemsDone: this.#itemsDone,
      undos: this.#undos,
      written: [...this.#written.values()],
      tooLate: this.tooLate,
      ...(undoing ? { undoing } : {}),
    };
    await makeContinueAsNewFunc<(input: unknown, carried: Carried) => Promise<unknown>>()(this.#input, carried);
  }

  /** How far a run that was undone had come. */
  #end(how: string): { done: number; total: number; step: string } {
    return { done: this.#last?.done ?? 0, total: this.#last?.total ?? this.#total(), step: `${how}, all undone` };
  }

  /** While a run is open, an outcome says what it will come to: it is being undone. */
  #tellOutcome(value: Outcome): void {
    if (this.#engine >= 2) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.outcome, value }]);
  }

  /** The items of lists that were begun, less the steps that they stand in for. */
  #more = 0;
  #total = (): number => this.#list.steps.length + this.#more;
  #toUndoInAll = (): number => this.#undos.reduce((sum, { operationIds }) => sum + operationIds.length, 0);

  /** Notes that a step begins. @param items how many it is done for; default: it is one */
  #begin(step: AnyStep, items = 1): NonNullable<StepCall['progress']> {
    const name = fullName(step);
    const at = this.#list.steps.findIndex((declared) => fullName(declared) === name);
    if (at === -1) throw new Error(`${this.#command} does not declare the step ${name}`);
    if (this.#called.has(name)) throw new Error(`${this.#command} does the step ${name} twice`);
    this.#called.add(name);
    const done = at + this.#more;
    this.#more += Math.max(0, items - 1);
    const total = this.#total();
    this.#details.say(`Step ${done + 1} of ${total}: ${inWords(step)}.`);
    this.#last = { done, total, step: inWords(step) };
    return this.#last;
  }

  #operationId(step: AnyStep): string {
    return `${workflowInfo().workflowId}/${this.#engine >= 3 ? fullName(step) : step.name}`;
  }

  #toUndo(step: AnyStep, atOnce: number): ToUndo {
    const undo = { service: step.service, words: inWords(step), operationIds: [], atOnce };
    if (!this.tooLate) this.#undos.push(undo);
    return undo;
  }

  /** The undo is registered first: a timeout does not say whether it happened. */
  async #tryOnce<Response>(step: Step<never, Response>, call: StepCall, request: unknown, isPivot: boolean): Promise<Response> {
    if (this.tooLate) return await mustStep(this.#details, step, call, request);
    // Not even tried, so nothing to undo.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.#toUndo(step, 1).operationIds.push(call.operationId);
    if (!isPivot) return await this.#tryItem(step, call, request);
    const tried = CancellationScope.nonCancellable(() => this.#tryItem(step, call, request));
    this.tooLate = true;
    return await tried;
  }

  #tryItem<Response>(step: Step<never, Response>, call: StepCall, request: unknown): Promise<Response> {
    if (this.tooLate) return mustStep(this.#details, step, call, request);
    return tryStep(step, call, request).catch((error: unknown) => {
      if (error instanceof TemporalFailure && !isCancellation(error)) throw new StepFailed(failureOf(step, error));
      throw error;
    });
  }

  #keep<Response>(name: string, response: Response): Response {
    this.#answers[name] = response;
    this.#keepWritten(response);
    return response;
  }

  /** Remembers which version the step wrote, so that the job ends only when queries see it. */
  #keepWritten(response: unknown): void {
    const { written } = response as { written?: AggregateVersion };
    if (written) this.#written.set(keyOf(written), written);
  }
}

/** The version that a run is of: the newest, unless it was begun before that. */
function newestOf(name: string, newest: number): number {
  let version = newest;
  while (version > 1 && !patched(`${name}@${version}`)) version--;
  return version;
}

const keyOf = ({ type, id }: AggregateVersion): string => `${type}/${id}`;
const howOf = ({ refused }: Failure): 'refused' | 'failed' => (refused ? 'refused' : 'failed');

function howItFailed(error: unknown): string {
  if (error instanceof StepFailed) return `${howOf(error.failure)}: ${error.failure.error.code}`;
  return isCancellation(error) ? 'cancelled' : 'failed';
}

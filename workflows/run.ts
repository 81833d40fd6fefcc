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
import type { Operation } from '#proto/musubi/operation/v1/operation.ts';
import type { StepCall } from '../activities/call.ts';
import { type Outcome, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { type ChildEnd, ChildFailed, type ChildRefused, runChild } from './child.ts';
import { isStep, nameOf, type Part, type PartList, type SagaDeclaration, sizeOf, wordsOf } from './declaration.ts';
import { Details } from './details.ts';
import { type Failure, failureOf } from './failure.ts';
import { HistoryLength } from './history.ts';
import { cancelJob, completeJob, failJob, reportProgress } from './job.ts';
import { type Around, type Place, Progress } from './progress.ts';
import { allParts, ask, isDone, operationsOf, servicesOf, type ToUndo, toUndo, withUnsure } from './records.ts';
import type { Refused } from './saga.ts';
import { type AnyStep, mustStep, type Step, tryStep } from './step.ts';
import { UnderWay } from './under-way.ts';
import { howOf, type Undoing, undo } from './undo.ts';
import { listed, note, noteAll, type Written } from './written.ts';

/** A part that failed for good. Not a TemporalFailure: if a saga should let it slip, the workflow task fails. */
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
 * - 4: one that was cancelled, or tried in vain, is not undone before the services said how far it was
 */
export const ENGINE_VERSION = 4;

/** What a run hands on: to the next one, when its history would become too long, or to a saga that it runs. */
export interface Carried {
  engine: number;
  version: number;
  /** What the parts that are done answered, by their names; of `each`, how many items are done. */
  answers: Record<string, unknown>;
  itemsDone: Record<string, number>;
  /** How many steps more than they declare the sagas had that were run, by their names. */
  grown: Record<string, number>;
  written: Written;
  tooLate: boolean;
  /** Set when it is being undone. */
  undoing: Undoing;
  /** Set where another saga runs this one. */
  around: Around;
}

/** What a workflow of a saga returns: its result, or that it was refused; to a saga that runs it, more. */
export type End = object | Refused | ChildEnd | ChildRefused;

const AT_ONCE = 10;

/** One run of a saga: what it has done, and how to take it back. */
export class Run {
  tooLate: boolean;
  readonly #saga: SagaDeclaration;
  readonly #input: unknown;
  readonly #engine: number;
  /** The saga's version that this run was begun with. */
  readonly #version: number;
  readonly #list: PartList;
  readonly #details = new Details();
  readonly #length = new HistoryLength();
  readonly #answers: Record<string, unknown>;
  readonly #itemsDone: Record<string, number>;
  readonly #grown: Record<string, number>;
  readonly #written: Written;
  readonly #around: Around | undefined;
  #progress: Progress;
  #underWay = new UnderWay();
  /** What this run has done, where it knows all of it. What runs before it did, and sagas that it runs, only services know. */
  readonly #undos: ToUndo[] = [];
  #knowsAll: boolean;

  constructor(saga: SagaDeclaration, input: unknown, carried: Partial<Carried> = {}) {
    this.#saga = saga;
    this.#input = input;
    // At once: asked for later, a run of an old version would take on the new one half-way. The newest first: a new run
    // remembers that one, and an old one the one it was begun with. A run that goes on from another one is what that was.
    this.#engine = carried.engine ?? newestOf('saga', ENGINE_VERSION);
    this.#version = carried.version ?? newestOf(saga.command, saga.version);
    this.#list = saga.versions[this.#version - 1] ?? { parts: [], pivots: [], finish: [] };
    this.#answers = carried.answers ?? {};
    this.#itemsDone = carried.itemsDone ?? {};
    this.#grown = carried.grown ?? {};
    this.#written = carried.written ?? {};
    this.#around = carried.around;
    this.#knowsAll = carried.version === undefined;
    this.#progress = new Progress(saga.command, this.#list.parts, { around: carried.around, last: carried.undoing?.last });
    this.tooLate = carried.tooLate ?? false;
  }

  async step<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    const name = nameOf(step);
    const progress = this.#progress.begin(step);
    if (Object.hasOwn(this.#answers, name)) return this.#answers[name] as Response;
    const isPivot = !this.tooLate && this.#isPivot(step);
    const call = { operationId: this.#idOf(step), progress };
    return await this.#underWay.unit(async () => {
      const tried = this.#details.row(wordsOf(step), () => this.#tryOnce(step, call, request, isPivot), howItFailed);
      const answer = await tried;
      this.#answers[name] = answer;
      this.#keepWritten(answer);
      return answer;
    });
  }

  /** Runs another saga. */
  async child(saga: SagaDeclaration, input: unknown): Promise<object> {
    const name = nameOf(saga);
    const place = this.#progress.begin(saga);
    this.#progress.grow(this.#grown[name] ?? 0);
    if (Object.hasOwn(this.#answers, name)) return this.#answers[name] as object;
    return await this.#underWay.unit(async () => {
      const result = await this.#details.row(name, () => this.#runChild(saga, name, input, place), howItFailed);
      this.#answers[name] = result;
      return result;
    });
  }

  async each<Item>(
    part: Part,
    items: readonly Item[],
    of: (item: Item) => { key: string; request: unknown },
    { atOnce = AT_ONCE }: { atOnce?: number } = {},
  ): Promise<void> {
    const name = nameOf(part);
    if (isStep(part) && this.#isPivot(part)) throw new Error(`${name}: the pivot is one step, not many`);
    const all = items.map(of);
    checkKeys(name, all);
    const begun = this.#progress.begin(part, items.length);
    this.#progress.grow(this.#grown[name] ?? 0);
    let next = this.#itemsDone[name] ?? 0;
    if (this.tooLate && !this.#around && next < all.length)
      throw new Error(`${name}: after the pivot, what is done for many is done by a saga that finds them`);
    const placeOf = (index: number): Place => ({ ...begun, done: begun.done + index * sizeOf(part) });
    const one = ({ key, request }: { key: string; request: unknown }, index: number): Promise<unknown> =>
      isStep(part)
        ? this.#tryItem(part, key, request, placeOf(index))
        : this.#runChild(part, `${name}/${key}`, request, placeOf(index));
    const chunkOf = async (): Promise<void> => {
      if (!this.tooLate && CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
      // All of them are waited for, so that what failed is undone with what was under way beside it.
      const chunk = all.slice(next, next + atOnce);
      const outcomes = await Promise.allSettled(chunk.map((item, at) => one(item, next + at)));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed) throw failed.reason;
      next += chunk.length;
      this.#itemsDone[name] = next;
      this.#length.add(chunk.length);
    };
    await this.#details.row(
      `${wordsOf(part)}, for ${items.length}`,
      async () => {
        while (next < all.length) {
          await this.#underWay.unit(chunkOf);
          const isLong = await this.#length.isLong(() => reportProgress(placeOf(next)));
          if (isLong && (this.tooLate || !CancellationScope.current().consideredCancelled)) await this.#goOnInNewRun();
        }
      },
      howItFailed,
    );
  }

  since(version: number): boolean {
    const { command, version: newest } = this.#saga;
    if (version > newest) throw new Error(`${command} has versions 1 to ${newest}, not ${version}`);
    return version <= this.#version;
  }

  async done(result: object): Promise<End> {
    this.tooLate = true;
    const end = await this.complete(result);
    this.#tellOutcome('done');
    return end;
  }

  /** Ends the job, or what of it another saga runs. */
  async complete(result: object): Promise<End> {
    const { size, total } = this.#progress;
    if (this.#around) {
      this.#details.say(`Done: all ${size} steps.`);
      return { result, written: this.#written, size } satisfies ChildEnd;
    }
    await completeJob(this.#details, total, result, listed(this.#written));
    return result;
  }

  /**
   * Undoes everything, unless it turns out to be past its pivot.
   * @param why null: it was cancelled
   */
  async giveUp(why: Failure | null): Promise<End> {
    await this.#underWay.close({ cancelling: true });
    let undos = this.#undos;
    let unsure: string[] = [];
    if (!this.#knowsAll || (this.#engine >= 4 && !why?.refused)) {
      const known = await this.#ask();
      if (this.isPast(known)) {
        const aggregateId = workflowInfo().typedSearchAttributes.get(SEARCH_ATTRIBUTES.aggregate) ?? '';
        return await this.done(await this.finish(known, aggregateId));
      }
      const tried = withUnsure(known, this.#undos.flatMap(operationsOf));
      ({ unsure } = tried);
      undos = toUndo(allParts(this.#saga), workflowInfo().workflowId, tried.all);
    }
    if (why && !this.#around) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.failure, value: why.error.code }]);
    this.#tellOutcome(why ? howOf(why) : 'cancelled');
    return await this.undo(undos, why, { unsure });
  }

  /** Goes on with what another run was undoing. */
  async goOnUndoing(undoing: Undoing): Promise<End> {
    const { all } = withUnsure(await this.#ask(), undoing.unsure);
    return await this.#undo(toUndo(allParts(this.#saga), workflowInfo().workflowId, all), undoing);
  }

  /** Whether so much was done that there is no way back. @param nameOfStep how an operation's ID names a step */
  isPast(known: readonly Operation[], nameOfStep: (step: AnyStep) => string = nameOf): boolean {
    const { pivots, finish } = this.#list;
    const final = [...pivots, ...finish.map((one) => one.finish)].map((part) => (isStep(part) ? nameOfStep(part) : nameOf(part)));
    const { length } = workflowInfo().workflowId;
    return known.some((one) => isDone(one) && final.includes(one.operationId.slice(length + 1).split('/')[0] ?? ''));
  }

  /** Does what is to be done after the pivot. @returns the result */
  async finish(known: readonly Operation[], aggregateId: string): Promise<{ id: string }> {
    this.tooLate = true;
    this.#underWay = new UnderWay();
    this.#progress = new Progress(this.#saga.command, this.#list.parts, {});
    for (const one of known) if (isDone(one)) this.#keepWritten(one);
    for (const { finish: part, of } of this.#list.finish)
      await (isStep(part) ? this.step(part, of(aggregateId)) : this.child(part, of(aggregateId)));
    return { id: aggregateId };
  }

  /** Takes back what was done, the last first, and ends the job. @param why null: it was cancelled */
  async undo(undos: ToUndo[], why: Failure | null, { how, unsure = [] }: { how?: string; unsure?: string[] } = {}): Promise<End> {
    const done = why?.undone ?? 0;
    const total = undos.reduce((sum, one) => sum + operationsOf(one).length, done);
    const { last } = this.#progress;
    const words = why ? `${howOf(why)} at "${why.at}"` : `cancelled${last ? ` at "${last.step}"` : ''}`;
    return await this.#undo(undos, { why, how: how ?? words, done, total, last, unsure });
  }

  async #undo(undos: ToUndo[], undoing: Undoing): Promise<End> {
    const goOn = (undoing: Undoing): Promise<never> => this.#goOnInNewRun(undoing);
    const undone = await undo(undos, undoing, this.#details, this.#length, goOn);
    const { why, how, last } = undoing;
    /** How far it had come. */
    const end = { done: last?.done ?? 0, total: last?.total ?? this.#progress.total, step: `${how}, all undone` };
    if (!why) {
      if (!this.#around) await cancelJob(this.#details, end);
      throw new CancelledFailure('cancelled');
    }
    const { at, refused, error, forOperators } = why;
    if (!this.#around) await failJob(this.#details, error, end);
    if (refused && this.#around) return { refusedBy: { ...why, undone } } satisfies ChildRefused;
    if (refused && this.#engine >= 2)
      return { refused: { step: at, code: error.code, message: error.message } } satisfies Refused;
    const failure = ApplicationFailure.nonRetryable(forOperators, error.code, this.#around ? { ...why, undone } : error);
    failure.stack = ''; // it says nothing about the step that failed
    throw failure;
  }

  /** What the services know of all that was done for this run, whichever workflow did it. */
  #ask(): Promise<Operation[]> {
    const { steps, older } = this.#saga;
    return ask(this.#details, servicesOf([...steps, ...older]), workflowInfo().workflowId);
  }

  async #goOnInNewRun(undoing?: Undoing): Promise<never> {
    await this.#underWay.close({ cancelling: false });
    const carried: Partial<Carried> = {
      engine: this.#engine,
      version: this.#version,
      answers: this.#answers,
      itemsDone: this.#itemsDone,
      grown: this.#grown,
      written: this.#written,
      tooLate: this.tooLate,
      ...(this.#around ? { around: this.#around } : {}),
      ...(undoing ? { undoing } : {}),
    };
    return await makeContinueAsNewFunc<(input: unknown, carried: Partial<Carried>) => Promise<unknown>>()(this.#input, carried);
  }

  /** While a run is open, an outcome says what it will come to: it is being undone. */
  #tellOutcome(value: Outcome): void {
    if (this.#engine >= 2 && !this.#around) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.outcome, value }]);
  }

  #isPivot(step: AnyStep): boolean {
    return this.#list.pivots.some((one) => nameOf(one) === nameOf(step));
  }

  #idOf(step: AnyStep): string {
    return `${workflowInfo().workflowId}/${this.#engine >= 3 ? nameOf(step) : step.name}`;
  }

  /** Notes what is to be undone. @returns what it is noted as */
  #remember(step: AnyStep): ToUndo {
    const operationId = this.#idOf(step);
    let undo = this.#undos.find((one) => one.operationId === operationId);
    if (!undo) {
      undo = { service: step.service, words: wordsOf(step), operationId };
      this.#undos.push(undo);
    }
    return undo;
  }

  /** The undo is registered first: a timeout does not say whether it happened. */
  async #tryOnce<Response>(step: Step<never, Response>, call: StepCall, request: unknown, isPivot: boolean): Promise<Response> {
    if (this.tooLate) return await mustStep(this.#details, step, call, request);
    // Not even tried, so nothing to undo.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.#remember(step);
    if (!isPivot) return await this.#try(step, call, request);
    const tried = CancellationScope.nonCancellable(() => this.#try(step, call, request));
    this.tooLate = true;
    return await tried;
  }

  async #tryItem(step: AnyStep, key: string, request: unknown, progress: Place): Promise<void> {
    if (!this.tooLate) {
      const undo = this.#remember(step);
      undo.keys = [...(undo.keys ?? []), key];
    }
    this.#keepWritten(await this.#try(step, { operationId: `${this.#idOf(step)}/${key}`, progress }, request));
  }

  #try<Response>(step: Step<never, Response>, call: StepCall, request: unknown): Promise<Response> {
    if (this.tooLate) return mustStep(this.#details, step, call, request);
    return tryStep(step, call, request).catch((error: unknown) => {
      if (error instanceof TemporalFailure && !isCancellation(error)) throw new StepFailed(failureOf(step, error));
      throw error;
    });
  }

  async #runChild(saga: SagaDeclaration, path: string, input: unknown, place: Place): Promise<object> {
    if (!this.tooLate && CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.#knowsAll = false;
    const handedOn: Partial<Carried> = { tooLate: this.tooLate, around: this.#progress.around(saga, place) };
    const run = () => runChild(saga.command, path, input, handedOn);
    try {
      const { result, written, size } = await this.#underWay.child(run, { cancellable: !this.tooLate });
      noteAll(this.#written, written);
      const more = size - sizeOf(saga);
      this.#grown[nameOf(saga)] = (this.#grown[nameOf(saga)] ?? 0) + more;
      this.#progress.grow(more);
      return result;
    } catch (error) {
      throw error instanceof ChildFailed ? new StepFailed(error.failure) : error;
    }
  }

  /** Remembers which version was written, so that the job ends only when queries see it. */
  #keepWritten(response: unknown): void {
    const { written } = response as { written?: AggregateVersion };
    if (written) note(this.#written, written);
  }
}

/** A key is a part of an operation's ID, and of a child workflow's. */
function checkKeys(name: string, all: readonly { key: string }[]): void {
  if (new Set(all.map(({ key }) => key)).size < all.length) throw new Error(`${name}: a key is given twice`);
  const wrong = all.find(({ key }) => key === '' || key.includes('/'));
  if (wrong) throw new Error(`${name}: "${wrong.key}" is no key`);
}

/** The version that a run is of: the newest, unless it was begun before that. */
function newestOf(name: string, newest: number): number {
  let version = newest;
  while (version > 1 && !patched(`${name}@${version}`)) version--;
  return version;
}

function howItFailed(error: unknown): string {
  if (error instanceof StepFailed) return `${howOf(error.failure)}: ${error.failure.error.code}`;
  return isCancellation(error) ? 'cancelled' : 'failed';
}

import {
  CancellationScope,
  CancelledFailure,
  makeContinueAsNewFunc,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Operation } from '#proto/musubi/operation/v1/operation.ts';
import { type Outcome, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { type Carried, ENGINE_VERSION, newestOf } from './carried.ts';
import { type ChildEnd, type End, runChild } from './child.ts';
import { asOf, isStep, NOTHING, nameOf, type Part, type PartList, type SagaDeclaration, sizeOf, wordsOf } from './declaration.ts';
import { Details } from './details.ts';
import { type Failure, howItFailed, howOf } from './failure.ts';
import { HistoryLength } from './history.ts';
import { completeJob, reportProgress } from './job.ts';
import { type Around, type Place, Progress } from './progress.ts';
import { ask, isDone, isPastPivot, operationsOf, servicesOf, type ToUndo, toUndo, withUnsure } from './records.ts';
import type { AnyStep, Step } from './step.ts';
import { checkList, Tries } from './tries.ts';
import { UnderWay } from './under-way.ts';
import { type Undoing, undo } from './undo.ts';
import { endUndone } from './undone.ts';
import { listed, noteAll, noteAnswer, type Written } from './written.ts';

const AT_ONCE = 10;

/** One run of a saga: what it has done, and how to take it back. */
export class Run {
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
  readonly #permit: string | undefined;
  #progress: Progress;
  #underWay = new UnderWay();
  readonly #tries: Tries;
  /** Whether it knows all that it has done: of what runs before it did, and sagas that it runs, only services know. */
  #knowsAll: boolean;

  constructor(saga: SagaDeclaration, input: unknown, carried: Partial<Carried> = {}) {
    this.#saga = saga;
    this.#input = input;
    // A run asks for its versions at once: if it asked later, a run of an old version would take on the new one half-way. It
    // asks for the newest first: a new run remembers that one, an old run the one it was begun with. A run that goes on from
    // another one has the versions of that one.
    this.#engine = carried.engine ?? newestOf('saga', ENGINE_VERSION);
    this.#version = carried.version ?? newestOf(saga.command, saga.version);
    this.#list = saga.versions[this.#version - 1] ?? NOTHING;
    this.#answers = carried.answers ?? {};
    this.#itemsDone = carried.itemsDone ?? {};
    this.#grown = carried.grown ?? {};
    this.#written = carried.written ?? {};
    this.#around = carried.around;
    this.#permit = carried.permit;
    this.#knowsAll = carried.version === undefined;
    this.#progress = new Progress(saga.command, this.#list, { around: carried.around, last: carried.undoing?.last });
    this.#tries = new Tries(this.#details, { engine: this.#engine, tooLate: carried.tooLate ?? false });
  }

  get tooLate(): boolean {
    return this.#tries.tooLate;
  }

  async step<Response>(step: Step<never, Response>, request: unknown): Promise<Response> {
    const name = nameOf(step);
    const progress = this.#progress.begin(step);
    if (Object.hasOwn(this.#answers, name)) return this.#answers[name] as Response;
    const isPivot = !this.tooLate && this.#isPivot(step);
    // Where the system itself began it, Auth is told what it is.
    const permit = isPivot ? { permit: this.#permit ?? this.#saga.command } : {};
    const call = { operationId: this.#tries.idOf(step), progress, ...permit };
    return await this.#underWay.unit(async () => {
      const tried = this.#details.row(wordsOf(step), () => this.#tries.one(step, call, request, isPivot), howItFailed);
      const answer = await tried;
      this.#answers[name] = answer;
      noteAnswer(this.#written, answer);
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
    checkList(name, all, atOnce);
    const begun = this.#progress.begin(part, items.length);
    this.#progress.grow(this.#grown[name] ?? 0);
    let next = this.#itemsDone[name] ?? 0;
    if (this.tooLate && !this.#around && next < all.length)
      throw new Error(`${name}: after the pivot, what is done for many is done by a saga that finds them`);
    const placeOf = (index: number): Place => ({ ...begun, done: begun.done + index * sizeOf(part) });
    const one = ({ key, request }: { key: string; request: unknown }, index: number): Promise<unknown> =>
      isStep(part)
        ? this.#tries.item(part, key, request, placeOf(index)).then((answer) => noteAnswer(this.#written, answer))
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
    this.#tries.tooLate = true;
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
    let undos = this.#tries.undos;
    let unsure: string[] = [];
    if (!this.#knowsAll || (this.#engine >= 4 && !why?.refused)) {
      const known = await this.#ask();
      if (this.isPast(known)) {
        const aggregateId = workflowInfo().typedSearchAttributes.get(SEARCH_ATTRIBUTES.aggregate) ?? '';
        return await this.done(await this.finish(known, aggregateId));
      }
      const tried = withUnsure(known, this.#tries.undos.flatMap(operationsOf));
      ({ unsure } = tried);
      undos = toUndo(this.#known, this.#version, tried.all);
    }
    if (why && !this.#around) upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.failure, value: why.error.code }]);
    this.#tellOutcome(why ? howOf(why) : 'cancelled');
    return await this.#begin(undos, why, { unsure });
  }

  /** Goes on with what another run was undoing. */
  async goOnUndoing(undoing: Undoing): Promise<End> {
    const { all } = withUnsure(await this.#ask(), undoing.unsure);
    return await this.#undo(toUndo(this.#known, this.#version, all), undoing);
  }

  /** Whether so much was done that there is no way back. @param nameOfStep how an operation's ID names a step */
  isPast(known: readonly Operation[], nameOfStep: (step: AnyStep) => string = nameOf): boolean {
    return isPastPivot(this.#list, known, nameOfStep);
  }

  /** Does what is to be done after the pivot. @returns the result */
  async finish(known: readonly Operation[], aggregateId: string): Promise<{ id: string }> {
    this.#tries.tooLate = true;
    this.#underWay = new UnderWay();
    this.#progress = new Progress(this.#saga.command, this.#list, {});
    for (const one of known) if (isDone(one)) noteAnswer(this.#written, one);
    for (const { finish: part, of } of this.#list.finish)
      await (isStep(part) ? this.step(part, of(aggregateId)) : this.child(part, of(aggregateId)));
    return { id: aggregateId };
  }

  /** Undoes all that services know of, and ends the job. @param nameOfStep how an operation's ID names a step */
  async undoKnown(known: readonly Operation[], why: Failure, how: string, nameOfStep: (step: AnyStep) => string): Promise<End> {
    return await this.#begin(toUndo(this.#known, this.#version, known, nameOfStep), why, { how });
  }

  /** Takes back what was done, the last first, and ends the job. @param why null: it was cancelled */
  async #begin(
    undos: ToUndo[],
    why: Failure | null,
    { how, unsure = [] }: { how?: string; unsure?: string[] } = {},
  ): Promise<End> {
    const done = why?.undone ?? 0;
    const total = undos.reduce((sum, one) => sum + operationsOf(one).length, done);
    const { last } = this.#progress;
    const words = why ? `${howOf(why)} at "${why.at}"` : `cancelled${last ? ` at "${last.step}"` : ''}`;
    return await this.#undo(undos, { why, how: how ?? words, done, total, last, unsure });
  }

  async #undo(undos: ToUndo[], undoing: Undoing): Promise<End> {
    const goOn = (undoing: Undoing): Promise<never> => this.#goOnInNewRun(undoing);
    const undone = await undo(undos, undoing, this.#details, this.#length, goOn);
    const around = {
      details: this.#details,
      total: this.#progress.total,
      engine: this.#engine,
      isPart: this.#around !== undefined,
    };
    return await endUndone(undoing, undone, around);
  }

  /**
   * The saga as it was when this run began. A run is of the newest version that there was then, and so was whatever worked for the job before it:
   * nothing of newer ones is to be looked for, and its history knows of no service that only these have.
   */
  get #known(): SagaDeclaration {
    return asOf(this.#saga, this.#version);
  }

  /** What the services know of all that was done for this run, by its children and by runs before it too. */
  #ask(): Promise<Operation[]> {
    return ask(this.#details, servicesOf(this.#known));
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
      ...(this.#permit === undefined ? {} : { permit: this.#permit }),
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

  async #runChild(saga: SagaDeclaration, path: string, input: unknown, place: Place): Promise<object> {
    if (!this.tooLate && CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.#knowsAll = false;
    const handedOn: Partial<Carried> = { tooLate: this.tooLate, around: this.#progress.around(saga, place) };
    const run = () => runChild(saga.command, path, input, handedOn);
    const { result, written, size } = await this.#underWay.child(run, { cancellable: !this.tooLate });
    noteAll(this.#written, written);
    const more = size - sizeOf(saga);
    this.#grown[nameOf(saga)] = (this.#grown[nameOf(saga)] ?? 0) + more;
    this.#progress.grow(more);
    return result;
  }
}

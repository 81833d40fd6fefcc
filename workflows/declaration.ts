import type { Command } from '../temporal.config.ts';
import { type AnyStep, fullName, inWords, type StepRequest } from './step.ts';

/** What is known of a saga from outside: the engine, tests and histories read it from the one declaration. */
export interface SagaDeclaration {
  command: Command;
  /** The parts of each version, in order; the newest last. */
  versions: readonly PartList[];
  /** The steps of the newest version in order, those of the sagas that it runs among them. */
  steps: readonly AnyStep[];
  /** Those of its steps that can be the pivot, by name: `auth.grantRoles`. */
  pivots: readonly string[];
  /** The newest version's number. */
  version: number;
}

/** What a saga is made of: its own steps, and sagas that it runs as child workflows. */
export type Part = AnyStep | SagaDeclaration;
/** What a part is asked: a step's request, a saga's input. */
export type RequestOf<P> = P extends AnyStep
  ? StepRequest<P>
  : P extends (input: infer Input, ...more: never[]) => unknown
    ? Input
    : never;

/** The last step that may fail: once it has answered there is no way back. */
export interface Pivot<S extends AnyStep | Finish<AnyStep> = AnyStep | Finish<AnyStep>> {
  readonly pivot: S;
}
/** A part that is done after the pivot. */
export interface Finish<P extends Part = Part> {
  readonly finish: P;
  readonly of: (aggregateId: string) => unknown;
}

/**
 * Marks the pivot in a saga's list. From there on the saga can't be cancelled. If the pivot fails, it is undone
 * like any other step, with its own undo first: tries that ran out leave it open whether it happened, and the service's
 * tombstone settles it. (To go on trying instead would hold the aggregate's lock for as long as that one service is away.)
 * Of several marked steps the first that a run does is its pivot.
 */
export const pivot = <S extends AnyStep | Finish<AnyStep>>(step: S): Pivot<S> => ({ pivot: step });

/**
 * Marks what is done after the pivot, where nothing is undone any more: each part is done until it is through.
 *
 * @param of what it is asked, from nothing but the ID of the job's aggregate: so it is done also where the saga's history
 *   is lost. What needs more, as a list does, is a saga of its own that finds it.
 */
export const finish = <P extends Part>(part: P, of: (aggregateId: string) => NoInfer<RequestOf<P>>): Finish<P> => ({
  finish: part,
  of,
});

type Declared = Part | Pivot | Finish;

/**
 * The parts in order, with the pivot. One list for every version of the saga, the newest last. There is a new version with
 * every change of the order or meaning of parts while workflows of the version before may still run; the change is gated
 * by `since(version)`. Replay tests fail without it.
 */
export type Versions = readonly [readonly Declared[], ...(readonly Declared[])[]];

type DeclaredPart<D> = D extends Pivot<infer S> ? DeclaredPart<S> : D extends Finish<infer P> ? P : D extends Part ? D : never;
/** The parts that the versions of a saga declare. */
export type PartsOf<V extends Versions> = DeclaredPart<V[number][number]>;

/** One version of a saga. */
export interface PartList {
  parts: readonly Part[];
  /** The steps that can be the pivot. */
  pivots: readonly AnyStep[];
  /** Names of those that a run does in place of the first pivot. */
  alternatives: readonly string[];
  /** What is done after the pivot. */
  finish: readonly Finish[];
}

export const isStep = (part: Part): part is AnyStep => typeof part !== 'function';
/** A part's name, one of its kind in its saga: of a step `member.createMember`, of a saga its command. */
export const nameOf = (part: Part): string => (isStep(part) ? fullName(part) : part.command);
/** What operators and clients read. */
export const wordsOf = (part: Part): string => (isStep(part) ? inWords(part) : part.command);
/** How many steps it counts for, its lists not counted. */
export const sizeOf = (part: Part): number => (isStep(part) ? 1 : part.steps.length);

/**
 * Reads a saga's lists.
 *
 * @throws when a version could not be undone, or not be finished
 */
export function declare(command: SagaDeclaration['command'], versions: Versions): SagaDeclaration {
  const lists = versions.map(
    (declared): PartList => ({
      parts: declared.map(partOf),
      pivots: declared.filter(isPivot).map((one) => partOf(one) as AnyStep),
      alternatives: declared
        .filter((one) => isPivot(one) && !finishOf(one))
        .slice(1)
        .map((one) => nameOf(partOf(one))),
      finish: declared.flatMap((one) => finishOf(one) ?? []),
    }),
  );
  for (const declared of versions) check(command, declared);
  return ofVersions(command, lists);
}

/** A saga as it was declared when this was its newest version. */
export const asOf = ({ command, versions }: SagaDeclaration, version: number): SagaDeclaration =>
  ofVersions(command, versions.slice(0, version));

function ofVersions(command: SagaDeclaration['command'], versions: readonly PartList[]): SagaDeclaration {
  const newest = versions.at(-1) ?? NOTHING;
  const steps = newest.parts.flatMap(stepsOf);
  return { command, versions, steps, pivots: newest.pivots.map(fullName), version: versions.length };
}

/** A version that there is not. */
export const NOTHING: PartList = { parts: [], pivots: [], alternatives: [], finish: [] };

function check(command: string, declared: readonly Declared[]): void {
  const names = new Set<string>();
  let isPast = false;
  let isFinishing = false;
  for (const one of declared) {
    const part = partOf(one);
    const name = nameOf(part);
    if (names.has(name)) throw new Error(`${command} declares ${name} twice`);
    names.add(name);
    // Pivots that follow one another are alternatives.
    const isAlternative = isPivot(one) && !isFinishing;
    if (isPast && !isAlternative && !finishOf(one))
      throw new Error(`${command} does ${name} after its pivot: declare it by finish()`);
    if (!isPast && !isStep(part) && part.pivots.length > 0)
      throw new Error(`${command} runs ${name} before its pivot, and ${name} has one of its own: it could not be undone`);
    isPast ||= isPivot(one);
    isFinishing ||= !isPivot(one) && isPast;
  }
}

const isPivot = (declared: Declared): declared is Pivot => 'pivot' in declared;
function finishOf(declared: Declared): Finish | undefined {
  const marked = isPivot(declared) ? declared.pivot : declared;
  return 'finish' in marked ? marked : undefined;
}
function partOf(declared: Declared): Part {
  const marked = isPivot(declared) ? declared.pivot : declared;
  return 'finish' in marked ? marked.finish : marked;
}
const stepsOf = (part: Part): readonly AnyStep[] => (isStep(part) ? [part] : part.steps);

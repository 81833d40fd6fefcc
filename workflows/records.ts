import { workflowInfo } from '@temporalio/workflow';
import type { ListOperationsRequest, ListOperationsResponse, Operation } from '#proto/musubi/operation/v1/operation.ts';
import { isStep, nameOf, type Part, type PartList, type SagaDeclaration, wordsOf } from './declaration.ts';
import type { Details } from './details.ts';
import { type AnyStep, mustStep, type Step } from './step.ts';

// What a run does not know of itself is known to the services: their records of operations say what was done, by this run or
// by others that worked for it. A history may be lost, or end before a step that was done: the worker died with its task.

const PAGE_SIZE = 1_000;

/** Asks services for all that was done within this workflow. */
export async function ask(details: Details, services: readonly string[]): Promise<Operation[]> {
  const within = workflowInfo().workflowId;
  const known: Operation[] = [];
  for (const service of services) {
    const list: Step<ListOperationsRequest, ListOperationsResponse> = { service, name: 'listOperations' };
    await details.row(`what was done in ${service}`, async () => {
      for (let after = ''; ; ) {
        const request: ListOperationsRequest = { within, after, pageSize: PAGE_SIZE };
        const { operations } = await mustStep(details, list, { operationId: '' }, request);
        known.push(...operations);
        after = operations.at(-1)?.operationId ?? '';
        if (operations.length < PAGE_SIZE) return;
      }
    });
  }
  return known;
}

/** The parts of a version in order, and then those that only other versions have: what may have been done for a run. */
function allParts({ versions }: SagaDeclaration, version: number): readonly Part[] {
  const byName = new Map<string, Part>();
  for (const { parts } of [...versions.slice(version - 1, version), ...versions.toReversed()])
    for (const part of parts) if (!byName.has(nameOf(part))) byName.set(nameOf(part), part);
  return [...byName.values()];
}

/** The steps of every version, those of the sagas that it runs among them. */
export const allSteps = (saga: SagaDeclaration): AnyStep[] =>
  allParts(saga, saga.version).flatMap((part) => (isStep(part) ? [part] : allSteps(part)));

/** The services that do the steps of any version of a saga. */
export const servicesOf = (saga: SagaDeclaration): string[] => [...new Set(allSteps(saga).map(({ service }) => service))];

/** What services know, and what was tried besides. That may yet arrive, so it counts as done. */
export function withUnsure(known: readonly Operation[], tried: readonly string[]): { all: Operation[]; unsure: string[] } {
  const ids = new Set(known.map(({ operationId }) => operationId));
  const unsure = tried.filter((operationId) => !ids.has(operationId));
  const taken = unsure.map(
    (operationId): Operation => ({ operationId, state: 'OPERATION_STATE_DONE', written: undefined, alsoWritten: [] }),
  );
  return { all: [...known, ...taken], unsure };
}

export const isDone = ({ state }: Operation): boolean => state === 'OPERATION_STATE_DONE';

/** One operation to take back. */
export interface Undoable {
  service: string;
  /** "create member" */
  words: string;
  operationId: string;
}

/** A part to take back. */
export interface ToUndo {
  /** "create member", "group.addMember" */
  words: string;
  /** What was done for each item of a list, in order. A part that is no list has one item. */
  items: Undoable[][];
}

/** The IDs of the operations that this is about. */
export const operationsOf = ({ items }: ToUndo): string[] => items.flat().map(({ operationId }) => operationId);

/** Operations by the parts of their IDs. */
type Tree = Map<string, Tree>;

function treeOf(paths: readonly string[]): Tree {
  const root: Tree = new Map();
  for (const path of paths) {
    let at = root;
    for (const name of path.split('/')) {
      const below: Tree = at.get(name) ?? new Map<string, Tree>();
      at.set(name, below);
      at = below;
    }
  }
  return root;
}

const namesBy =
  (nameOfStep: (step: AnyStep) => string) =>
  (part: Part): string =>
    isStep(part) ? nameOfStep(part) : nameOf(part);

/**
 * The version that a run was of, as far as what it has done says so: of those that declare all of it, the one of which it
 * has left out least. The newest of several.
 *
 * @param done the names of what is done
 */
function versionBy(saga: SagaDeclaration, done: Pick<ReadonlySet<string>, 'has'>, name: (part: Part) => string): number {
  const isIn = (part: Part): boolean => done.has(name(part));
  const all = allParts(saga, saga.version).filter(isIn).length;
  let [version, fewest] = [saga.version, Number.POSITIVE_INFINITY];
  saga.versions.forEach(({ parts }, at) => {
    const leftOut = parts.filter(isIn).length < all ? Number.POSITIVE_INFINITY : parts.findLastIndex(isIn) + 1 - all;
    if (leftOut <= fewest) [version, fewest] = [at + 1, leftOut];
  });
  return version;
}

/** The version of a run whose history is lost. */
export const lostVersion = (saga: SagaDeclaration, known: readonly Operation[], nameOfStep: (step: AnyStep) => string): number =>
  versionBy(saga, new Set(known.filter(isDone).map(partOf)), namesBy(nameOfStep));

/** An operation's ID within this workflow. */
const pathOf = ({ operationId }: Operation): string => operationId.slice(workflowInfo().workflowId.length + 1);
/** The name of the part that an operation is of. */
const partOf = (operation: Operation): string => pathOf(operation).split('/')[0] ?? '';

/**
 * What is to be undone of all that was done within this workflow, in the order of what its version of the saga declares. A
 * step of which nothing is known is among it, for it may yet arrive; what was undone already is not.
 *
 * @param version the one that this workflow was begun with
 * @param nameOfStep how an operation's ID names a step
 */
export function toUndo(
  saga: SagaDeclaration,
  version: number,
  known: readonly Operation[],
  nameOfStep: (step: AnyStep) => string = nameOf,
): ToUndo[] {
  const nameBy = namesBy(nameOfStep);
  const done = treeOf(known.filter(isDone).map(pathOf));
  const undone = new Set(known.filter((operation) => !isDone(operation)).map(({ operationId }) => operationId));
  const ofStep = (step: AnyStep, operationId: string, below: Tree): ToUndo[] => {
    const words = wordsOf(step);
    const one = (id: string): Undoable[] => [{ service: step.service, words, operationId: id }];
    const itself = undone.has(operationId) ? [] : [{ words, items: [one(operationId)] }];
    return below.size === 0
      ? itself
      : [...itself, { words, items: [...below.keys()].map((key) => one(`${operationId}/${key}`)) }];
  };
  /** Of a saga that another one runs, whose version only its operations tell. */
  const ofChild = (child: SagaDeclaration, at: string, tree: Tree): ToUndo[] =>
    ofParts(allParts(child, versionBy(child, tree, nameBy)), at, tree);
  const ofParts = (parts: readonly Part[], at: string, tree: Tree): ToUndo[] =>
    parts.flatMap((part) => {
      const name = nameBy(part);
      const id = `${at}/${name}`;
      const below: Tree = tree.get(name) ?? new Map();
      if (isStep(part)) return ofStep(part, id, below);
      const own = new Set(allParts(part, part.version).map(nameBy));
      const items = [...below].filter(([key]) => !own.has(key));
      const ofItems = items.map(([key, tree]) => ofChild(part, `${id}/${key}`, tree).flatMap(({ items }) => items.flat()));
      return [...ofChild(part, id, below), ...(items.length > 0 ? [{ words: wordsOf(part), items: ofItems }] : [])];
    });
  return ofParts(allParts(saga, version), workflowInfo().workflowId, done);
}

/** Whether a pivot is done, or a part that comes after it. */
export function isPastPivot(
  { pivots, finish }: PartList,
  known: readonly Operation[],
  nameOfStep: (step: AnyStep) => string,
): boolean {
  const final = [...pivots, ...finish.map((one) => one.finish)].map(namesBy(nameOfStep));
  return known.some((one) => isDone(one) && final.includes(partOf(one)));
}

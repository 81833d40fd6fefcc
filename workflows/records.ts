import type { ListOperationsRequest, ListOperationsResponse, Operation } from '#proto/musubi/operation/v1/operation.ts';
import { isStep, nameOf, type Part, type PartList, type SagaDeclaration, wordsOf } from './declaration.ts';
import type { Details } from './details.ts';
import { type AnyStep, mustStep, type Step } from './step.ts';

// What a run does not know of itself is known to the services: their records of operations say what was done, by this run or
// by others that worked for it. A history may be lost, or end before a step that was done: the worker died with its task.

const PAGE_SIZE = 1_000;

/** Asks services for all that was done within a workflow. */
export async function ask(details: Details, services: readonly string[], within: string): Promise<Operation[]> {
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

/** The services that these steps are of. */
export const servicesOf = (steps: readonly AnyStep[]): string[] => [...new Set(steps.map(({ service }) => service))];

/** What services know, and what else was tried: it may yet arrive, so it is taken for done. */
export function withUnsure(known: readonly Operation[], tried: readonly string[]): { all: Operation[]; unsure: string[] } {
  const ids = new Set(known.map(({ operationId }) => operationId));
  const unsure = tried.filter((operationId) => !ids.has(operationId));
  const taken = unsure.map((operationId): Operation => ({ operationId, state: 'OPERATION_STATE_DONE', written: undefined }));
  return { all: [...known, ...taken], unsure };
}

export const isDone = ({ state }: Operation): boolean => state === 'OPERATION_STATE_DONE';

/** A step to take back; of a list, with the keys of its items. */
export interface ToUndo {
  service: string;
  /** "create member" */
  words: string;
  operationId: string;
  keys?: string[];
}

/** The operations that this is about, in the order in which they were begun. */
export const operationsOf = ({ operationId, keys }: ToUndo): string[] =>
  keys ? keys.map((key) => `${operationId}/${key}`) : [operationId];

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

/**
 * What is to be undone of all that was done within a workflow, in the order of what its saga declares. A step that nothing
 * is known of is among it, for it may yet arrive; what was undone already is not.
 *
 * @param nameOfStep how an operation's ID names a step
 */
export function toUndo(
  parts: readonly Part[],
  within: string,
  known: readonly Operation[],
  nameOfStep: (step: AnyStep) => string = nameOf,
): ToUndo[] {
  const done = treeOf(known.filter(isDone).map(({ operationId }) => operationId.slice(within.length + 1)));
  const undone = new Set(known.filter((operation) => !isDone(operation)).map(({ operationId }) => operationId));
  const ofStep = (step: AnyStep, operationId: string, below: Tree): ToUndo[] => {
    const one = { service: step.service, words: wordsOf(step), operationId };
    return [...(undone.has(operationId) ? [] : [one]), ...(below.size > 0 ? [{ ...one, keys: [...below.keys()] }] : [])];
  };
  const ofParts = (parts: readonly Part[], at: string, tree: Tree): ToUndo[] =>
    parts.flatMap((part) => {
      const name = isStep(part) ? nameOfStep(part) : nameOf(part);
      const id = `${at}/${name}`;
      const below = tree.get(name) ?? new Map();
      if (isStep(part)) return ofStep(part, id, below);
      const parts = allParts(part);
      const own = new Set(parts.map(nameOf));
      const keys = [...below].filter(([key]) => !own.has(key));
      return [...ofParts(parts, id, below), ...keys.flatMap(([key, tree]) => ofParts(parts, `${id}/${key}`, tree))];
    });
  return ofParts(parts, within, done);
}

/** Whether a pivot is done, or a part that comes after it. */
export function isPastPivot(
  { pivots, finish }: PartList,
  within: string,
  known: readonly Operation[],
  nameOfStep: (step: AnyStep) => string,
): boolean {
  const final = [...pivots, ...finish.map((one) => one.finish)].map((part) => (isStep(part) ? nameOfStep(part) : nameOf(part)));
  return known.some((one) => isDone(one) && final.includes(one.operationId.slice(within.length + 1).split('/')[0] ?? ''));
}

/** The parts of a saga's newest version, and the steps that only older ones have. */
export const allParts = ({ versions, older }: SagaDeclaration): readonly Part[] => [...(versions.at(-1)?.parts ?? []), ...older];

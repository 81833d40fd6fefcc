import { CancellationScope, patched, setHandler, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { JobError } from '#proto/musubi/job/v1/job.ts';
import type { GetOperationResponse, Operation } from '#proto/musubi/operation/v1/operation.ts';
import { type Outcome, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { type Carried, ENGINE_VERSION } from './carried.ts';
import type { End } from './child.ts';
import type { CommandName } from './commands.ts';
import { asOf, type SagaDeclaration } from './declaration.ts';
import { Details } from './details.ts';
import type { Failure } from './failure.ts';
import { allSteps, ask, lostVersion, servicesOf } from './records.ts';
import { Run } from './run.ts';
import { tooLateQuery } from './saga.ts';
import * as sagas from './sagas.ts';
import { type AnyStep, fullName, inWords, mustStep, type Step } from './step.ts';

export interface RecoverInput {
  /** Of which saga the history is lost. The workflow's ID is the job's, as the saga's was. */
  command: CommandName;
  /** What the job is on. */
  aggregateId: string;
  /** Whether the job says that it was being undone: then it had not passed its pivot. */
  undoing: boolean;
}

/** The newest versions that there were of sagas when a recovery of before knew no others. */
const NEWEST_BEFORE: Readonly<Record<string, number>> = { 'member.register': 1, 'member.delete': 4 };

/** Nothing of it was ever asked of a service. */
const NOT_STARTED: JobError = {
  code: 'NOT_STARTED',
  message: 'The command could not be started; nothing was changed.',
  errors: [],
  grpcStatus: 'UNAVAILABLE',
};

const LOST: JobError = {
  code: 'JOB_LOST',
  message: 'The record of how far the command was is lost; what it had done is undone.',
  errors: [],
  grpcStatus: 'UNAVAILABLE',
};

/**
 * Ends the job of a saga whose history Temporal has lost, so that nothing stays half done and nothing stays locked. The
 * services' records of operations say how far the saga was: past its pivot it is finished, before its pivot it is undone. A
 * step that is undone, or was never done, is refused if it comes later.
 *
 * @returns what the saga would have: the job's result, or why it failed
 */
export const recover = recoveryOf(sagas);

/** The same for other sagas. */
export function recoveryOf(sagas: Record<string, SagaDeclaration>) {
  const known = new Map(Object.entries(sagas));
  return async (input: RecoverInput, carried: Partial<Carried> = {}): Promise<End> => {
    setHandler(tooLateQuery, () => true);
    const saga = known.get(input.command);
    if (!saga) throw new Error(`there is no saga ${input.command}`);
    return await CancellationScope.nonCancellable(() => recovered(saga, input, carried));
  };
}

async function recovered(newest: SagaDeclaration, input: RecoverInput, carried: Partial<Carried>): Promise<End> {
  const saga = patched('saga.recover@3') ? newest : asOf(newest, NEWEST_BEFORE[newest.command] ?? newest.version);
  if (carried.undoing) return await new Run(saga, input, carried).goOnUndoing(carried.undoing);
  const { workflowId } = workflowInfo();
  const details = new Details();
  details.say('The history of this command is lost. The services are asked what it did.');
  const known = await whatWasDone(details, saga);
  // Runs of engine 1 and 2 name the step only.
  const names = allSteps(saga).map(({ name }) => `${workflowId}/${name}`);
  const isOld = known.some(({ operationId }) => names.includes(operationId));
  const nameOfStep = isOld ? ({ name }: AnyStep): string => name : fullName;
  const version = lostVersion(saga, known, nameOfStep);
  const run = new Run(saga, input, { engine: isOld ? 2 : ENGINE_VERSION, version });
  if (!input.undoing && run.isPast(known, nameOfStep)) {
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.outcome, value: 'done' satisfies Outcome }]);
    return await run.complete(await run.finish(known, input.aggregateId));
  }
  const error = known.length > 0 || input.undoing ? LOST : NOT_STARTED;
  upsertSearchAttributes([
    { key: SEARCH_ATTRIBUTES.outcome, value: 'failed' satisfies Outcome },
    { key: SEARCH_ATTRIBUTES.failure, value: error.code },
  ]);
  const why: Failure = { at: 'repair', refused: true, error, forOperators: 'the history of this command' };
  return await run.undoKnown(known, why, 'lost', nameOfStep);
}

async function whatWasDone(details: Details, saga: SagaDeclaration): Promise<Operation[]> {
  if (patched('saga.recover@2')) return await ask(details, servicesOf(saga));
  const all = allSteps(saga);
  const known = await askOfEach(details, all, fullName);
  return known.length > 0 ? known : await askOfEach(details, all, ({ name }) => name);
}

/** Of recoveries that were begun when services did not list operations yet. */
async function askOfEach(
  details: Details,
  steps: readonly AnyStep[],
  nameOfStep: (step: AnyStep) => string,
): Promise<Operation[]> {
  const known: Operation[] = [];
  for (const step of steps) {
    const get: Step<never, GetOperationResponse> = { service: step.service, name: 'getOperation' };
    const operationId = `${workflowInfo().workflowId}/${nameOfStep(step)}`;
    const became = await details.row(`what became of "${inWords(step)}"`, () =>
      mustStep(details, get, { operationId }, undefined),
    );
    if (became.state !== 'OPERATION_STATE_UNKNOWN') known.push({ operationId, ...became });
  }
  return known;
}

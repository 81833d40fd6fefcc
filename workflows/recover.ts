import { CancellationScope, setHandler, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { JobError } from '#proto/musubi/job/v1/job.ts';
import type { GetOperationResponse } from '#proto/musubi/operation/v1/operation.ts';
import { type Outcome, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import type { CommandName } from './commands.ts';
import { Details } from './details.ts';
import { completeJob, failJob, reportCompensating } from './job.ts';
import { type Refused, type SagaDeclaration, tooLateQuery } from './saga.ts';
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

const SAGAS = new Map<string, SagaDeclaration>(Object.entries(sagas));

/** What every step after a pivot is asked: which aggregate it is, and nothing else. That finishes the saga. */
const aggregateOf = (command: CommandName, id: string): Record<string, string> => ({ [`${command.split('.', 1)[0]}Id`]: id });

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
 * services' records of operations say how far it was: what is past its pivot is finished, all else is undone. Either way
 * every step that is undone, or was never done, is refused should it come late.
 *
 * @returns what the saga would have: the job's result, or why it failed
 */
export async function recover({ command, aggregateId, undoing }: RecoverInput): Promise<object | Refused> {
  setHandler(tooLateQuery, () => true);
  return await CancellationScope.nonCancellable(() => new Recovery(command).run(aggregateId, undoing));
}

class Recovery {
  readonly #details = new Details();
  readonly #command: CommandName;
  readonly #steps: readonly AnyStep[];
  readonly #pivots: readonly string[];
  /** What comes after the first step that can be the pivot; another that can be it only repeats its answer. */
  readonly #finish: readonly AnyStep[];
  /** What names a step in its operation's ID. */
  #nameOf: (step: AnyStep) => string = fullName;

  constructor(command: CommandName) {
    const { steps = [], older = [], pivots = [] } = SAGAS.get(command) ?? {};
    this.#command = command;
    this.#steps = [...steps, ...older];
    this.#pivots = pivots;
    this.#finish = steps.slice(steps.findIndex((step) => pivots.includes(fullName(step))) + 1);
  }

  async run(aggregateId: string, undoing: boolean): Promise<object | Refused> {
    this.#details.say('The history of this command is lost. The services are asked what it did.');
    let known = await this.#ask();
    if (known.size === 0) {
      // Runs of engine 1 and 2 name the step only.
      this.#nameOf = ({ name }) => name;
      known = await this.#ask();
      if (known.size === 0) this.#nameOf = fullName;
    }
    const done = [...known].filter(([, { state }]) => state === 'OPERATION_STATE_DONE');
    const final = [...this.#pivots, ...this.#finish.map(fullName)];
    if (!undoing && done.some(([name]) => final.includes(name))) {
      upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.outcome, value: 'done' satisfies Outcome }]);
      const answers = done.map(([, answer]) => answer);
      return await this.#goOn(aggregateId, answers);
    }
    const error = known.size > 0 || undoing ? LOST : NOT_STARTED;
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.outcome, value: 'failed' satisfies Outcome },
      { key: SEARCH_ATTRIBUTES.failure, value: error.code },
    ]);
    await this.#undo(error);
    return { refused: { step: 'repair', code: error.code, message: error.message } };
  }

  /** What became of each step, by its full name, if anything is known of it. */
  async #ask(): Promise<Map<string, GetOperationResponse>> {
    const known = new Map<string, GetOperationResponse>();
    for (const step of this.#steps) {
      const ask: Step<never, GetOperationResponse> = { service: step.service, name: 'getOperation' };
      const became = await this.#details.row(`what became of "${inWords(step)}"`, () =>
        mustStep(this.#details, ask, this.#call(step), undefined),
      );
      if (became.state !== 'OPERATION_STATE_UNKNOWN') known.set(fullName(step), became);
    }
    return known;
  }

  async #goOn(id: string, done: { written?: AggregateVersion | undefined }[]): Promise<{ id: string }> {
    const total = this.#steps.length;
    const answers = [...done];
    for (const [index, step] of this.#finish.entries()) {
      const progress = { done: total - this.#finish.length + index, total, step: inWords(step) };
      const call = { ...this.#call(step), progress };
      const answer = await this.#details.row(inWords(step), () =>
        mustStep(this.#details, step, call, aggregateOf(this.#command, id)),
      );
      answers.push(answer as { written?: AggregateVersion });
    }
    const result = { id };
    await completeJob(this.#details, total, result, newest(answers.flatMap(({ written }) => written ?? [])));
    return result;
  }

  async #undo(error: JobError): Promise<void> {
    const total = this.#steps.length;
    for (const [done, step] of this.#steps.toReversed().entries()) {
      const words = `undo "${inWords(step)}"`;
      const progress = { done, total, step: words };
      if (done === 0) await reportCompensating('its history is lost', progress, error);
      const call = { ...this.#call(step), progress, compensating: error };
      const undo = { service: step.service, name: 'undo' };
      await this.#details.row(words, () => mustStep(this.#details, undo, call, undefined));
    }
    await failJob(this.#details, error, { done: 0, total, step: 'lost, all undone' });
    this.#details.say('The history of this command is lost.\n\nAll that it did is undone.');
  }

  /** The steps' operations are those of the saga, for the workflow's ID is. */
  #call(step: AnyStep): { operationId: string } {
    return { operationId: `${workflowInfo().workflowId}/${this.#nameOf(step)}` };
  }
}

/** The last version of each aggregate. */
function newest(written: AggregateVersion[]): AggregateVersion[] {
  const last = new Map<string, AggregateVersion>();
  for (const one of written) {
    const key = `${one.type}/${one.id}`;
    if (one.version >= (last.get(key)?.version ?? 0)) last.set(key, one);
  }
  return [...last.values()];
}

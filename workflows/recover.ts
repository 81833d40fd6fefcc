import { CancellationScope, setHandler, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import type { JobError } from '#proto/musubi/job/v1/job.ts';
import type { GetOperationResponse } from '#proto/musubi/operation/v1/operation.ts';
import { type Outcome, SEARCH_ATTRIBUTES } from '../temporal.config.ts';
import { Account } from './account.ts';
import type { CommandName } from './commands.ts';
import { completeJob, failJob, reportCompensating } from './job.ts';
import { type Refused, tooLateQuery } from './saga.ts';
import { auth, inWords, member, mustStep, role, type Step } from './step.ts';

export interface RecoverInput {
  /** Of which saga the history is lost. The workflow's ID is the job's, as the saga's was. */
  command: CommandName;
  /** What the job is on. */
  aggregateId: string;
  /** Whether the job says that it was being undone: then it had not passed its pivot. */
  undoing: boolean;
}

/** What a saga did, as far as it can be known without its history. */
interface Course {
  /** The steps up to the pivot, of every version of the saga. */
  before: readonly Step<never, unknown>[];
  pivot: Step<never, unknown>;
  /** The steps after it. All that they need is which aggregate it is. */
  after: readonly Step<{ memberId: string }, unknown>[];
}

/** Every saga: one without an entry is an error of types, and a test compares their steps. */
export const COURSES: Record<CommandName, Course> = {
  'member.register': {
    before: [member.createMember, auth.bindLogin, role.assignRoles],
    pivot: auth.grantRoles,
    after: [member.activateMember],
  },
  // Without a new login the commit is the pivot: once it is done, it only repeats its answer.
  'member.update': { before: [member.beginUpdate], pivot: auth.rebindLogin, after: [member.commitUpdate] },
  'member.delete': {
    before: [member.closeMember, role.unassignAllRoles, auth.suspendLogin, member.beginDelete],
    pivot: member.deleteMember,
    after: [auth.removeLogin],
  },
};

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
  readonly #account = new Account();
  readonly #course: Course;
  readonly #steps: readonly Step<never, unknown>[];

  constructor(command: CommandName) {
    this.#course = COURSES[command];
    this.#steps = [...this.#course.before, this.#course.pivot, ...this.#course.after];
  }

  async run(memberId: string, undoing: boolean): Promise<object | Refused> {
    this.#account.say('The history of this command is lost. The services are asked what it did.');
    const done = new Map<Step<never, unknown>, GetOperationResponse>();
    let isKnown = undoing;
    for (const step of this.#steps) {
      const what = `what became of "${inWords(step)}"`;
      const ask: Step<never, GetOperationResponse> = { service: step.service, name: 'getOperation' };
      const became = await this.#account.row(what, () => mustStep(this.#account, ask, callOf(step), undefined));
      if (became.state !== 'OPERATION_STATE_UNKNOWN') isKnown = true;
      if (became.state === 'OPERATION_STATE_DONE') done.set(step, became);
    }
    const { pivot, after } = this.#course;
    if (!undoing && [pivot, ...after].some((step) => done.has(step))) {
      upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.outcome, value: 'done' satisfies Outcome }]);
      await this.#finish(memberId, [...done.values()]);
      return { memberId };
    }
    const error = isKnown ? LOST : NOT_STARTED;
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.outcome, value: 'failed' satisfies Outcome },
      { key: SEARCH_ATTRIBUTES.failure, value: error.code },
    ]);
    await this.#undo(error);
    return { refused: { step: 'repair', code: error.code, message: error.message } };
  }

  async #finish(memberId: string, done: { written?: AggregateVersion | undefined }[]): Promise<void> {
    const total = this.#steps.length;
    const answers = [...done];
    for (const [index, step] of this.#course.after.entries()) {
      const progress = { done: total - this.#course.after.length + index, total, step: inWords(step) };
      const call = { ...callOf(step), progress };
      const answer = await this.#account.row(inWords(step), () => mustStep(this.#account, step, call, { memberId }));
      answers.push(answer as { written?: AggregateVersion });
    }
    await completeJob(this.#account, total, { memberId }, newest(answers.flatMap(({ written }) => written ?? [])));
  }

  async #undo(error: JobError): Promise<void> {
    const total = this.#steps.length;
    for (const [done, step] of this.#steps.toReversed().entries()) {
      const words = `undo "${inWords(step)}"`;
      const progress = { done, total, step: words };
      if (done === 0) await reportCompensating('its history is lost', progress, error);
      const call = { ...callOf(step), progress, compensating: error };
      const undo = { service: step.service, name: 'undo' };
      await this.#account.row(words, () => mustStep(this.#account, undo, call, undefined));
    }
    await failJob(this.#account, error, { done: 0, total, step: 'lost, all undone' });
    this.#account.say('The history of this command is lost.\n\nAll that it did is undone.');
  }
}

/** The steps' operations are those of the saga, for the workflow's ID is. */
function callOf({ name }: Step<never, unknown>): { operationId: string } {
  return { operationId: `${workflowInfo().workflowId}/${name}` };
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

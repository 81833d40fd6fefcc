import type { WorkflowHandle } from '@temporalio/client';
import type { Operation } from '#proto/musubi/operation/v1/operation.ts';
import { SET_TERM } from '../temporal.config.ts';
import type { CommandName } from './commands.ts';
import type { WorkflowName } from './history.fixture.ts';
import { INPUTS } from './inputs.fixture.ts';
import { away, busy, mistaken, notVisible, revoked, type Script, taken } from './saga.fixture.ts';
import * as workflows from './sagas.ts';
import { fullName } from './step.ts';

/** One way that a saga can go, and how the services are scripted so that it does. */
export interface Branch {
  command: WorkflowName;
  /** - done: all goes well, in one workflow task
   *  - late: services are away for a while, before the pivot, after it and at the end
   *  - conflict: others are at it for a while
   *  - refused: at the first step
   *  - compensated: refused at the pivot, with an undo that takes its time
   *  - failed: at the pivot, by a mistake of ours
   *  - cancelled: before the pivot
   *  - …-without-login: an update that leaves the login as it is, whose pivot is another step
   *  - finished, undone: of a recovery, past the saga's pivot and before it
   *  - refused-within, cancelled-within: of a saga that runs others, while one of those is at work
   *  - ended, prolonged: of a term, that is over when it is set, and is given another moment while it is ended
   *  - went-on, went-on-undoing: the last run of a saga that went on in a new one, with half of a list done, or undone */
  branch:
    | 'done'
    | 'late'
    | 'conflict'
    | 'refused'
    | 'compensated'
    | 'failed'
    | 'cancelled'
    | 'done-without-login'
    | 'compensated-without-login'
    | 'finished'
    | 'undone'
    | 'refused-within'
    | 'cancelled-within'
    | 'ended'
    | 'prolonged'
    | 'went-on'
    | 'went-on-undoing';
  /** Whose history it is, if of a child workflow: its ID below that of the saga `member.whole`, which is run. */
  child?: string;
  status: 'COMPLETED' | 'FAILED' | 'CANCELLED';
  script: Script;
}

/** Away for so many attempts that a regular activity takes over from the local one. */
const awayForAWhile: Script[string] = (attempt) => (attempt <= 5 ? away : undefined);

const SAGAS = new Map(Object.entries(workflows));

/** The steps of a saga that branches are about: `second` is the last one of which a cancellation is in time. */
function stepsOf(command: CommandName): Record<'first' | 'second' | 'pivot' | 'last', string> {
  const { steps = [], pivots = [] } = SAGAS.get(command) ?? {};
  const [first = '', second = '', ...others] = steps.map(fullName);
  const [pivot = ''] = pivots;
  return { first, second: second === pivot ? first : second, pivot, last: others.at(-1) ?? second };
}

const withoutLogin: Script = { 'member.beginUpdate': [{ loginChanges: false }] };

/** What only an update can do. */
const WITHOUT_LOGIN: Branch[] = [
  { command: 'member.update', branch: 'done-without-login', status: 'COMPLETED', script: withoutLogin },
  {
    command: 'member.update',
    branch: 'compensated-without-login',
    status: 'COMPLETED',
    script: { ...withoutLogin, 'auth.confirmPermit': [revoked] },
  },
];

const ofEverySaga: Branch[] = (Object.keys(workflows) as CommandName[]).flatMap((command): Branch[] => [
  { command, branch: 'done', status: 'COMPLETED', script: {} },
  {
    command,
    branch: 'compensated',
    status: 'COMPLETED',
    script: { [stepsOf(command).pivot]: [taken], 'member.undo': awayForAWhile },
  },
]);

/** What is the same in every saga, of one. */
const { first, second, pivot, last } = stepsOf('member.register');
const cancelled: Script[string] = async (attempt, _, workflow) => {
  if (attempt === 5) await workflow.cancel();
  return away;
};
const ofTheEngine = (
  [
    {
      branch: 'late',
      status: 'COMPLETED',
      script: {
        [second]: awayForAWhile,
        [last]: awayForAWhile,
        'query.awaitVersions': (attempt) => (attempt === 1 ? notVisible : undefined),
      },
    },
    { branch: 'conflict', status: 'COMPLETED', script: { [second]: (attempt) => (attempt <= 2 ? busy : undefined) } },
    { branch: 'refused', status: 'COMPLETED', script: { [first]: [taken] } },
    { branch: 'failed', status: 'FAILED', script: { [pivot]: [mistaken] } },
    { branch: 'cancelled', status: 'CANCELLED', script: { [second]: cancelled } },
  ] satisfies Omit<Branch, 'command'>[]
).map((branch): Branch => ({ command: 'member.register', ...branch }));

/** Of sagas that run others, and of those that they run. */
const refusedWithin: Script = {
  'role.assignRoles': (_, { operationId }) => (String(operationId).endsWith('/m1/role.assignRoles/r2') ? taken : undefined),
};
const cancelledWithin: Script = { 'role.assignRoles': cancelled };
const [part, rest] = ['member.part/m1', 'member.rest'];
const OF_CHILDREN: Branch[] = [
  { command: 'member.whole', branch: 'done', status: 'COMPLETED', script: {} },
  { command: 'member.part', child: part, branch: 'done', status: 'COMPLETED', script: {} },
  {
    command: 'member.rest',
    child: rest,
    branch: 'done',
    status: 'COMPLETED',
    script: { 'member.activateMember': awayForAWhile },
  },
  { command: 'member.whole', branch: 'compensated', status: 'COMPLETED', script: { 'auth.grantRoles': [taken] } },
  { command: 'member.whole', branch: 'refused-within', status: 'COMPLETED', script: refusedWithin },
  { command: 'member.part', child: part, branch: 'refused-within', status: 'COMPLETED', script: refusedWithin },
  { command: 'member.whole', branch: 'cancelled-within', status: 'CANCELLED', script: cancelledWithin },
  { command: 'member.part', child: part, branch: 'cancelled-within', status: 'CANCELLED', script: cancelledWithin },
];

/** Of runs that went on from another one, whose lists are short (short-lists.fixture.ts): 30 items come in one run, 10 in the next. */
const ON_FROM_ANOTHER: Branch[] = [
  { command: 'member.list', branch: 'went-on', status: 'COMPLETED', script: {} },
  {
    command: 'member.list',
    branch: 'went-on-undoing',
    status: 'FAILED',
    // Whether those that failed were done is open until they are undone, 25 in the first run.
    script: { 'auth.suspendLogin': (_, { operationId }) => (/\/m[01]$/.test(String(operationId)) ? undefined : mistaken) },
  },
];

/** Of terms. What ends them is a job of its own, whose services are the same. */
const jobOf = (workflow: WorkflowHandle, attempt: number) => ({ job: { jobId: `${workflow.workflowId}/job ${attempt}` } });
const OF_TERMS: Branch[] = [
  {
    command: 'term',
    branch: 'ended',
    status: 'COMPLETED',
    script: { 'job.issueJob': (attempt, _, workflow) => jobOf(workflow, attempt) },
  },
  {
    command: 'term',
    branch: 'prolonged',
    status: 'COMPLETED',
    script: {
      // Job is away for so long that it is asked outside of a workflow task, within which nobody prolongs anything.
      'job.issueJob': async (attempt, _, workflow) => {
        if (attempt <= 5) return away;
        if (attempt === 6) {
          const until = new Date(Date.now() + 1_000).toISOString();
          await workflow.executeUpdate(SET_TERM, { args: [{ ...INPUTS.term, until }] });
        }
        return jobOf(workflow, attempt);
      },
    },
  },
];

/** A service whose records are of these steps, which are done. */
const did =
  (...steps: string[]): Script[string] =>
  (_, { within }) => ({
    operations: steps.map(
      (step): Operation => ({
        operationId: `${within}/${step}`,
        state: 'OPERATION_STATE_DONE',
        written: undefined,
        alsoWritten: [],
      }),
    ),
  });
const RECOVERY: Branch[] = [
  {
    command: 'saga.recover',
    branch: 'finished',
    status: 'COMPLETED',
    script: {
      'member.listOperations': did('member.createMember'),
      'auth.listOperations': did('auth.bindLogin', 'auth.grantRoles'),
      'role.listOperations': did('role.assignRoles'),
      'member.activateMember': awayForAWhile,
    },
  },
  {
    command: 'saga.recover',
    branch: 'undone',
    status: 'COMPLETED',
    script: { 'member.listOperations': did('member.createMember'), 'member.undo': awayForAWhile },
  },
];

/**
 * Every branch of the engine once, and of every saga how it is done, how it is undone, and what only it can come to: each
 * has a history in histories/saga@<engine>/<command>/<branch>.v<version>.json.
 */
export const BRANCHES: Branch[] = [
  ...ofEverySaga,
  ...WITHOUT_LOGIN,
  ...ofTheEngine,
  ...OF_CHILDREN,
  ...ON_FROM_ANOTHER,
  ...OF_TERMS,
  ...RECOVERY,
];

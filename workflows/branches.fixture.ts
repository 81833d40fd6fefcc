import type { GetOperationResponse, OperationState } from '#proto/musubi/operation/v1/operation.ts';
import type { CommandName } from './commands.ts';
import type { WorkflowName } from './history.fixture.ts';
import { away, busy, mistaken, notVisible, type Script, taken } from './saga.fixture.ts';
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
   *  - finished, undone: of a recovery, past the saga's pivot and before it */
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
    | 'undone';
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
    script: { ...withoutLogin, 'member.commitUpdate': [taken] },
  },
];

const ofEverySaga: Branch[] = (Object.keys(workflows) as CommandName[]).flatMap((command): Branch[] => {
  const { first, second, pivot, last } = stepsOf(command);
  const notVisibleAtFirst: Script[string] = (attempt) => (attempt === 1 ? notVisible : undefined);
  const cancelled: Script[string] = async (attempt, _, workflow) => {
    if (attempt === 5) await workflow.cancel();
    return away;
  };
  return [
    { command, branch: 'done', status: 'COMPLETED', script: {} },
    {
      command,
      branch: 'late',
      status: 'COMPLETED',
      script: { [second]: awayForAWhile, [last]: awayForAWhile, 'query.awaitVersions': notVisibleAtFirst },
    },
    { command, branch: 'conflict', status: 'COMPLETED', script: { [second]: (attempt) => (attempt <= 2 ? busy : undefined) } },
    { command, branch: 'refused', status: 'COMPLETED', script: { [first]: [taken] } },
    { command, branch: 'compensated', status: 'COMPLETED', script: { [pivot]: [taken], 'member.undo': awayForAWhile } },
    { command, branch: 'failed', status: 'FAILED', script: { [pivot]: [mistaken] } },
    { command, branch: 'cancelled', status: 'CANCELLED', script: { [second]: cancelled } },
  ];
});

const operation = (state: OperationState): GetOperationResponse => ({ state, written: undefined });
const RECOVERY: Branch[] = [
  {
    command: 'saga.recover',
    branch: 'finished',
    status: 'COMPLETED',
    script: {
      'auth.getOperation': [operation('OPERATION_STATE_DONE')],
      'role.getOperation': [operation('OPERATION_STATE_DONE')],
      'member.getOperation': (_, { operationId }) =>
        operation(/createMember$/.test(String(operationId)) ? 'OPERATION_STATE_DONE' : 'OPERATION_STATE_UNKNOWN'),
      'member.activateMember': awayForAWhile,
    },
  },
  {
    command: 'saga.recover',
    branch: 'undone',
    status: 'COMPLETED',
    script: {
      'auth.getOperation': [operation('OPERATION_STATE_UNKNOWN')],
      'role.getOperation': [operation('OPERATION_STATE_UNKNOWN')],
      'member.getOperation': [operation('OPERATION_STATE_DONE'), operation('OPERATION_STATE_UNKNOWN')],
      'member.undo': awayForAWhile,
    },
  },
];

/** Every branch of every saga: each has a history in histories/<command>/<branch>.v<version>.json. */
export const BRANCHES: Branch[] = [...ofEverySaga, ...WITHOUT_LOGIN, ...RECOVERY];

import type { CommandName } from './commands.ts';
import * as workflows from './index.ts';
import { away, busy, mistaken, notVisible, type Script, taken } from './saga.fixture.ts';
import { fullName } from './step.ts';

/** One way that a saga can go, and how the services are scripted so that it does. */
export interface Branch {
  command: CommandName;
  /** - done: all goes well, in one workflow task
   *  - late: services are away for a while, before the pivot, after it and at the end
   *  - conflict: others are at it for a while
   *  - refused: at the first step
   *  - compensated: refused at the pivot, with an undo that takes its time
   *  - failed: at the pivot, by a mistake of ours
   *  - cancelled: before the pivot
   *  - …-without-login: an update that leaves the login as it is, whose pivot is another step */
  branch:
    | 'done'
    | 'late'
    | 'conflict'
    | 'refused'
    | 'compensated'
    | 'failed'
    | 'cancelled'
    | 'done-without-login'
    | 'compensated-without-login';
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

/** Every branch of every saga: each has a history in histories/<command>/<branch>.v<version>.json. */
export const BRANCHES: Branch[] = [...ofEverySaga, ...WITHOUT_LOGIN];

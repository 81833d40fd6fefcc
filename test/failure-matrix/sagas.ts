import { randomBytes } from 'node:crypto';
import type { SagaPeers } from '../../activities/index.ts';
import { newId } from '../../platform/validation/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import * as workflows from '../../workflows/sagas.ts';

/** One run of a saga on an aggregate of its own. */
export interface Case {
  command: CommandName;
  input: CommandInput<CommandName>;
  /** What the run's rows and documents are found by; their names stand for them when two runs are compared. */
  ids: Record<string, string>;
  aggregateId: string;
  /** Lets another job take the aggregate just before the saga starts. @returns what that job ends with: nothing is changed */
  occupy?(): Promise<() => Promise<unknown>>;
}

/** What a case is made with: the services, and a way to run another case undisturbed, as its ground. */
export interface Context {
  peers: SagaPeers;
  run(made: Case): Promise<unknown>;
}

/** A way in which a saga can go. */
export interface Way {
  /** A fresh case, on an aggregate of its own. */
  make(context: Context): Promise<Case>;
}

const PASSWORD = 'correct horse battery';
const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;

async function register({ peers }: Context): Promise<Case> {
  const memberId = newId();
  const loginId = name();
  const { passwordRef } = await peers.auth.stagePassword({ password: PASSWORD });
  return {
    command: 'member.register',
    input: { memberId, loginId, displayName: `name of ${loginId}`, email: `${loginId}@example.com`, passwordRef },
    ids: { memberId, loginId },
    aggregateId: memberId,
  };
}

/** A registered member's IDs. */
async function existing(context: Context): Promise<Record<string, string> & { memberId: string }> {
  const made = await register(context);
  await context.run(made);
  return { ...made.ids, memberId: made.aggregateId };
}

async function remove(context: Context): Promise<Case> {
  const ids = await existing(context);
  return { command: 'member.delete', input: { memberId: ids.memberId }, ids, aggregateId: ids.memberId };
}

/** A member with a session. */
async function suspend(context: Context): Promise<Case> {
  const ids = await existing(context);
  await context.peers.auth.login({ loginId: ids.loginId ?? '', password: PASSWORD, userAgent: '', source: '', deviceCookie: '' });
  const input = { memberId: ids.memberId, byMemberId: newId(), reason: 'on leave' };
  return { command: 'member.suspend', input, ids, aggregateId: ids.memberId };
}

async function reinstate(context: Context): Promise<Case> {
  const made = await suspend(context);
  await context.run(made);
  return { ...made, command: 'member.reinstate', input: { memberId: made.aggregateId } };
}

/** The same case, while another job is at the member. */
const occupied = (make: Way['make']): Way['make'] => {
  return async (context) => {
    const { member } = context.peers;
    const made = await make(context);
    const operationId = `${newId()}/beginUpdate`;
    const occupy = async () => {
      await member.beginUpdate({ operationId, memberId: made.aggregateId, changes: { displayName: 'held' } });
      return () => member.undo({ operationId });
    };
    return { ...made, occupy };
  };
};

const SAGAS = new Map(Object.entries(workflows));

/** Of the calls of a run the pivot: the first of those that the saga declares as one. */
export function pivotOf(command: CommandName, calls: readonly string[]): string {
  const { pivots = [] } = SAGAS.get(command) ?? {};
  return calls.find((call) => pivots.includes(call)) ?? '';
}

/** Every saga in every way it can go. A new saga is an entry here, and every fault is tried on its every step. */
export const WAYS: Record<CommandName, Way> & Record<string, Way> = {
  'member.register': { make: register },
  'member.update': {
    make: async (context) => {
      const ids = await existing(context);
      const newLogin = name();
      const input = { memberId: ids.memberId, changes: { loginId: newLogin, displayName: `changed ${newLogin}` } };
      return { command: 'member.update', input, ids: { ...ids, newLogin }, aggregateId: ids.memberId };
    },
  },
  'member.update without its login': {
    make: async (context) => {
      const ids = await existing(context);
      const input = { memberId: ids.memberId, changes: { displayName: 'changed, and nothing else' } };
      return { command: 'member.update', input, ids, aggregateId: ids.memberId };
    },
  },
  'member.delete': { make: remove },
  'member.delete while another job holds the member': { make: occupied(remove) },
  'member.suspend': { make: suspend },
  'member.suspend while another job holds the member': { make: occupied(suspend) },
  'member.reinstate': { make: reinstate },
};

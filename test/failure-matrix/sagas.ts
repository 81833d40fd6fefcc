import { randomBytes } from 'node:crypto';
import type { Peers } from '../../activities/index.ts';
import { newId } from '../../platform/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';

/** One run of a saga on an aggregate of its own. */
export interface Case {
  command: CommandName;
  input: CommandInput<CommandName>;
  /** What the run's rows and documents are found by; their names stand for them when two runs are compared. */
  ids: Record<string, string>;
  aggregateId: string;
}

/** How to make a fresh case of each saga. A new saga is one entry here, and every fault is tried on its every step. */
export type Sagas = Record<CommandName, () => Promise<Case>>;

/** @param run runs a case undisturbed, to make what another saga starts from */
export function sagas(peers: Peers, run: (made: Case) => Promise<unknown>): Sagas {
  const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;
  const register = async (): Promise<Case> => {
    const memberId = newId();
    const loginId = name();
    const { passwordRef } = await peers.auth.stagePassword({ password: 'correct horse battery' });
    return {
      command: 'member.register',
      input: { memberId, loginId, displayName: `name of ${loginId}`, email: `${loginId}@example.com`, passwordRef },
      ids: { memberId, loginId },
      aggregateId: memberId,
    };
  };
  const existing = async (): Promise<Record<string, string> & { memberId: string }> => {
    const made = await register();
    await run(made);
    return { ...made.ids, memberId: made.aggregateId };
  };
  return {
    'member.register': register,
    'member.update': async () => {
      const ids = await existing();
      const newLogin = name();
      return {
        command: 'member.update',
        input: { memberId: ids.memberId, changes: { loginId: newLogin, displayName: `changed ${newLogin}` } },
        ids: { ...ids, newLogin },
        aggregateId: ids.memberId,
      };
    },
    'member.delete': async () => {
      const ids = await existing();
      return { command: 'member.delete', input: { memberId: ids.memberId }, ids, aggregateId: ids.memberId };
    },
  };
}

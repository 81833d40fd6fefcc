import type { deleteMember } from './delete-member.ts';
import type { registerMember } from './register-member.ts';
import type { updateMember } from './update-member.ts';

/**
 * Every command of the system. The name of a command is the type of its workflow;
 * its first word is the domain that owns its most important change, and so its task queue.
 */
export interface CommandTable {
  'member.register': typeof registerMember;
  'member.update': typeof updateMember;
  'member.delete': typeof deleteMember;
}

export type CommandName = keyof CommandTable;
/** What the starter of a command gives its workflow. */
export type CommandInput<C extends CommandName> = Parameters<CommandTable[C]>[0];

import type { SagaDeclaration } from './saga.ts';

type Workflows = typeof import('./sagas.ts');

/**
 * Every command of the system. The name of a command is the type of its workflow; its first word tells the domain that owns
 * its most important change, and so its task queue.
 */
export type CommandName = {
  [Name in keyof Workflows]: Workflows[Name] extends SagaDeclaration ? Name : never;
}[keyof Workflows];
/** What the starter of a command gives its workflow. */
export type CommandInput<C extends CommandName> = Parameters<Workflows[C]>[0];

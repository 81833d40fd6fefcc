import { alreadyExists, failedPrecondition, notFound } from '#platform/errors.ts';
import type { CommandStart } from '../worker/client.ts';
import type { CommandName } from '../workflows/commands.ts';
import type { State } from './applied.fixture.ts';
import { groupView } from './group-stand-ins.fixture.ts';

type TreeCommand = Extract<CommandName, `group.${'create' | 'update' | 'move' | 'archive' | 'restore' | 'delete'}`>;

const OF_TREE = /^group\.(create|update|move|archive|restore|delete)$/;
export const isOfTree = (start: CommandStart): start is CommandStart<TreeCommand> => OF_TREE.test(start.command);

/** What commands of groups do, as far as tests look. */
export function applyToTree({ groups }: Pick<State, 'groups'>, { command, input }: CommandStart<TreeCommand>): void {
  const { groupId } = input;
  if ('creatorId' in input) {
    const { parentId, name, description, visibility, tags } = input;
    if ([...groups.values()].some((other) => other.name === name)) throw alreadyExists('NAME_TAKEN', 'taken');
    groups.set(groupId, groupView(groupId, { parentId, name, description, visibility, tags }));
    return;
  }
  const group = groups.get(groupId);
  if (!group) throw notFound('GROUP_NOT_FOUND', 'there is no such group');
  const { expectedVersion = group.version } = input as { expectedVersion?: number };
  if (expectedVersion !== group.version) throw failedPrecondition('VERSION_MISMATCH', 'changed since');
  const change = (changes: Partial<typeof group>) => groups.set(groupId, { ...group, ...changes, version: group.version + 1 });
  if ('changes' in input) change(input.changes);
  else if ('cascade' in input) {
    const isEmpty = ![...groups.values()].some(({ parentId }) => parentId === groupId);
    if (!isEmpty && !input.cascade) throw failedPrecondition('GROUP_NOT_EMPTY', 'there are groups in it');
    groups.delete(groupId);
  } else if ('parentId' in input) change({ parentId: input.parentId });
  else change({ archivedAt: command === 'group.archive' ? new Date() : undefined });
}

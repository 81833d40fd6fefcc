import { alreadyExists, failedPrecondition, notFound } from '#platform/errors.ts';
import type { CommandStart } from '../worker/client.ts';
import type { CommandInput, CommandName } from '../workflows/commands.ts';
import type { State } from './applied.fixture.ts';
import { positionView } from './group-stand-ins.fixture.ts';

// What is played of positions in the gateway's tests.

type PositionCommand = Extract<CommandName, `position.${string}`>;
export const isOfPosition = (start: CommandStart): start is CommandStart<PositionCommand> =>
  start.command.startsWith('position.');

/** What commands of positions do; of who is bound to them nothing is played. */
export function applyPosition({ positions }: Pick<State, 'positions'>, { command, input }: CommandStart<PositionCommand>): void {
  if ('memberId' in input) return;
  const { groupId, positionId } = input;
  if ('name' in input) {
    const { name, permissions } = input;
    if ([...positions.values()].some((other) => other.groupId === groupId && other.name === name))
      throw alreadyExists('NAME_TAKEN', 'taken', { fields: [{ field: 'name', code: 'TAKEN', message: 'is taken' }] });
    positions.set(positionId, positionView(positionId, groupId, { name, permissions }));
    return;
  }
  const position = positions.get(positionId);
  if (position?.groupId !== groupId) throw notFound('POSITION_NOT_FOUND', 'the group has no such position');
  if (input.expectedVersion !== undefined && input.expectedVersion !== position.version)
    throw failedPrecondition('VERSION_MISMATCH', 'changed since');
  if (command === 'position.update') {
    const { changes } = input as CommandInput<'position.update'>;
    positions.set(positionId, { ...position, ...changes, version: position.version + 1 });
  } else if (command === 'position.delete') positions.delete(positionId);
}

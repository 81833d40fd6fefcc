import { alreadyExists, failedPrecondition, notFound } from '#platform/errors.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import type { PositionView } from '#proto/musubi/query/v1/query.ts';
import type { CommandStart } from '../worker/client.ts';
import type { CommandInput, CommandName } from '../workflows/commands.ts';
import type { State } from './applied.fixture.ts';

// What is played of positions in the gateway's tests.

type PositionCommand = Extract<CommandName, `position.${string}`>;
export const isOfPosition = (start: CommandStart): start is CommandStart<PositionCommand> =>
  start.command.startsWith('position.');

/** What commands of positions do. */
export function applyPosition({ positions }: Pick<State, 'positions'>, { command, input }: CommandStart<PositionCommand>): void {
  const { groupId, positionId } = input;
  if ('name' in input) {
    const { name, permissions } = input;
    if ([...positions.values()].some((other) => other.groupId === groupId && other.name === name))
      throw alreadyExists('NAME_TAKEN', 'taken', { fields: [{ field: 'name', code: 'TAKEN', message: 'is taken' }] });
    const times = { createdAt: new Date(), updatedAt: new Date() };
    const kind = PositionKind.POSITION_KIND_UNSPECIFIED;
    positions.set(positionId, { positionId, groupId, name, kind, permissions, ...times, version: 1 });
    return;
  }
  const position = positionIn(positions, groupId, positionId);
  if ('expectedVersion' in input && input.expectedVersion !== undefined && input.expectedVersion !== position.version)
    throw failedPrecondition('VERSION_MISMATCH', 'changed since');
  if (command === 'position.update') {
    const { changes } = input as CommandInput<'position.update'>;
    positions.set(positionId, { ...position, ...changes, version: position.version + 1 });
  } else if (command === 'position.delete') positions.delete(positionId);
}

function positionIn(positions: ReadonlyMap<string, PositionView>, groupId: string, positionId: string): PositionView {
  const position = positions.get(positionId);
  if (position?.groupId !== groupId) throw notFound('POSITION_NOT_FOUND', 'the group has no such position');
  return position;
}

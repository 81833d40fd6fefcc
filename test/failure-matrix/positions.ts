import { randomBytes } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import { defaultPositionId } from '../../services/position/domain.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Case, Context, Way } from './sagas.ts';

type Ids = Record<string, string>;
/** A registered member. */
type Existing = (context: Context) => Promise<Ids & { memberId: string }>;
type PositionCommand = Extract<CommandName, `position.${string}`>;

const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;
/** When terms end: never while this runs. */
const UNTIL = '2032-04-01T00:00:00.000Z';
const UPDATE = { action: 'group.update', reach: 'REACH_HERE' as const };

/** The sagas of positions, each in a group of its own, and with the one member that is in it. */
export function positionWays(existing: Existing): Record<PositionCommand, Way> & Record<string, Way> {
  const of = <C extends PositionCommand>(command: C, input: CommandInput<C>, ids: Ids, aggregateId: string): Case => {
    return { command, input, ids, aggregateId };
  };

  /** A group that its one member leads. */
  async function madeGroup(context: Context): Promise<Ids & { memberId: string; groupId: string }> {
    const member = await existing(context);
    const ids = { ...member, groupId: newId(), groupName: name() };
    const group = { groupId: ids.groupId, parentId: 'root', name: ids.groupName, description: 'of the matrix' };
    const input = { ...group, visibility: 'VISIBILITY_OPEN', tags: [], creatorId: ids.memberId };
    await context.run({ command: 'group.create' as CommandName, input: input as never, ids, aggregateId: ids.groupId });
    return ids;
  }

  async function createCase(context: Context): Promise<Case> {
    const ids = { ...(await madeGroup(context)), positionId: newId(), positionName: name() };
    const { groupId, positionId, positionName } = ids;
    return of('position.create', { groupId, positionId, name: positionName, permissions: [UPDATE] }, ids, positionId);
  }

  /** A position to which nobody is bound. */
  async function madePosition(context: Context) {
    const made = await createCase(context);
    await context.run(made);
    const { groupId = '', positionId = '', memberId = '' } = made.ids;
    return { ids: made.ids, groupId, positionId, memberId };
  }

  async function bindCase(context: Context, until?: string): Promise<Case> {
    const { ids, groupId, positionId, memberId } = await madePosition(context);
    return of('position.bind', { groupId, positionId, memberId, byMemberId: memberId, until }, ids, groupId);
  }

  /** A member that is bound, for a term or without end. */
  async function boundCase(context: Context, until?: string): Promise<Case> {
    const made = await bindCase(context, until);
    await context.run(made);
    return made;
  }

  return {
    'position.create': { make: createCase },
    'position.update': {
      make: async (context) => {
        const { ids, groupId, positionId, memberId } = await madePosition(context);
        const newName = name();
        const changes = { name: newName, permissions: [{ ...UPDATE, reach: 'REACH_SUBTREE' as const }] };
        return of('position.update', { groupId, positionId, changes, byMemberId: memberId }, { ...ids, newName }, positionId);
      },
    },
    'position.update of one to which somebody is bound': {
      make: async (context) => {
        const { ids, aggregateId: groupId } = await boundCase(context, UNTIL);
        const { positionId = '', memberId: byMemberId = '' } = ids;
        return of('position.update', { groupId, positionId, changes: { permissions: [] }, byMemberId }, ids, positionId);
      },
      onlyInWhole: true,
    },
    'position.update of the leaders': {
      make: async (context) => {
        const ids = await madeGroup(context);
        const { groupId, memberId: byMemberId } = ids;
        const positionId = defaultPositionId(groupId, 'leader');
        const changes = { name: 'Captain', permissions: [UPDATE] };
        return of('position.update', { groupId, positionId, changes, byMemberId }, { ...ids, positionId }, positionId);
      },
      onlyInWhole: true,
    },
    'position.update of what all members hold': {
      make: async (context) => {
        const { ids, groupId, memberId: byMemberId } = await madePosition(context);
        const positionId = defaultPositionId(groupId, 'member');
        return of('position.update', { groupId, positionId, changes: { permissions: [UPDATE] }, byMemberId }, ids, positionId);
      },
    },
    'position.delete': {
      make: async (context) => {
        const { ids, groupId, positionId } = await madePosition(context);
        return of('position.delete', { groupId, positionId }, ids, positionId);
      },
    },
    'position.bind': { make: (context) => bindCase(context) },
    'position.bind for a term': { make: (context) => bindCase(context, UNTIL) },
    'position.bind for another term': {
      make: async (context) => {
        const made = await boundCase(context, UNTIL);
        return { ...made, input: { ...made.input, until: undefined } as CommandInput<'position.bind'> };
      },
    },
    'position.bind while another job changes what the member is bound to': {
      make: async (context) => {
        const { position } = context.peers;
        const made = await bindCase(context);
        const { groupId = '', memberId = '' } = made.ids;
        const operationId = `${newId()}/beginChangeBindings`;
        const nothing = { bind: [], release: [], releaseAll: true };
        const occupy = async () => {
          await position.beginChangeBindings({ operationId, groupId, memberId, ...nothing });
          return () => position.undo({ operationId });
        };
        return { ...made, occupy };
      },
    },
    'position.unbind': { make: async (context) => ({ ...(await boundCase(context)), command: 'position.unbind' }) },
    'position.unbind before its term': {
      make: async (context) => ({ ...(await boundCase(context, UNTIL)), command: 'position.unbind' }),
    },
    'position.end-term': {
      make: async (context) => ({ ...(await boundCase(context, UNTIL)), command: 'position.end-term' }),
    },
    'position.end-term while another job changes what the member is bound to': {
      make: async (context) => {
        const { position } = context.peers;
        const bound = await boundCase(context, UNTIL);
        const { groupId = '', memberId = '' } = bound.ids;
        const operationId = `${newId()}/beginChangeBindings`;
        const nothing = { bind: [], release: [], releaseAll: true };
        const occupy = async () => {
          await position.beginChangeBindings({ operationId, groupId, memberId, ...nothing });
          return () => position.undo({ operationId });
        };
        return { ...bound, command: 'position.end-term', occupy };
      },
      onlyInWhole: true,
    },
    // Its one member leads the group: nobody else does.
    'position.end-term of the last leader': {
      make: async (context) => {
        const { groupId, memberId, ...ids } = await madeGroup(context);
        const positionId = defaultPositionId(groupId, 'leader');
        const input = { groupId, memberId, positionId, until: UNTIL };
        const all = { ...ids, groupId, memberId, positionId };
        await context.run(of('position.bind', { ...input, byMemberId: memberId }, all, groupId));
        return of('position.end-term', input, all, groupId);
      },
    },
  };
}

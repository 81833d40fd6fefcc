import { randomBytes } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Case, Context, Way } from './sagas.ts';

type Ids = Record<string, string>;
/** A registered member. */
type Existing = (context: Context) => Promise<Ids & { memberId: string }>;
type TreeCommand = Extract<CommandName, `group.${'create' | 'update' | 'move' | 'archive' | 'restore' | 'delete'}`>;

const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;

/** The sagas of groups themselves, each with a group of its own. */
export function groupWays(existing: Existing): Record<TreeCommand, Way> & Record<string, Way> {
  const of = <C extends TreeCommand>(command: C, input: CommandInput<C>, ids: Ids): Case => {
    return { command, input, ids, aggregateId: input.groupId };
  };

  /** A group, by whom and where it is made. @param given the names of its IDs */
  function groupCase(ids: Ids, { id = 'groupId', parentId = 'root' } = {}): Case {
    const [groupId, called] = [newId(), name()];
    const group = { groupId, parentId, name: called, description: 'of the matrix', tags: ['matrix'] };
    const input = { ...group, visibility: 'VISIBILITY_OPEN' as const, creatorId: ids.memberId };
    return of('group.create', input, { ...ids, [id]: groupId, [`${id} name`]: called });
  }

  async function made(context: Context, group: Case): Promise<{ ids: Ids; groupId: string }> {
    await context.run(group);
    return { ids: group.ids, groupId: group.aggregateId };
  }

  /** A group with its creator in it. */
  const madeGroup = async (context: Context) => made(context, groupCase(await existing(context)));

  /** A group with another one in it. */
  async function madeTree(context: Context): Promise<{ ids: Ids; groupId: string; withinId: string }> {
    const { ids, groupId } = await madeGroup(context);
    const within = await made(context, groupCase(ids, { id: 'withinId', parentId: groupId }));
    return { ids: within.ids, groupId, withinId: within.groupId };
  }

  async function deleteCase(context: Context): Promise<Case> {
    const { ids, groupId } = await madeTree(context);
    return of('group.delete', { groupId, cascade: true }, ids);
  }

  async function archiveCase(context: Context): Promise<Case> {
    const { ids, groupId } = await madeGroup(context);
    return of('group.archive', { groupId }, ids);
  }

  return {
    'group.create': { make: async (context) => groupCase(await existing(context)) },
    'group.create by the system': { make: async () => groupCase({}) },
    'group.update': {
      make: async (context) => {
        const { ids, groupId } = await madeGroup(context);
        const newName = name();
        const changes = { name: newName, visibility: 'VISIBILITY_INVITATION' as const };
        return of('group.update', { groupId, changes }, { ...ids, newName });
      },
    },
    'group.update without its visibility': {
      make: async (context) => {
        const { ids, groupId } = await madeGroup(context);
        return of('group.update', { groupId, changes: { description: 'changed, and nothing else' } }, ids);
      },
    },
    'group.move': {
      make: async (context) => {
        const { ids, groupId } = await madeTree(context);
        const to = await made(context, groupCase(ids, { id: 'toId' }));
        return of('group.move', { groupId, parentId: to.groupId }, to.ids);
      },
    },
    'group.archive': { make: archiveCase },
    'group.restore': {
      make: async (context) => {
        const archived = await archiveCase(context);
        await context.run(archived);
        return of('group.restore', { groupId: archived.aggregateId }, archived.ids);
      },
    },
    'group.delete': { make: deleteCase },
    'group.delete while another job changes a group in it': {
      make: async (context) => {
        const { group } = context.peers;
        const deleting = await deleteCase(context);
        const operationId = `${newId()}/beginUpdateGroup`;
        const occupy = async () => {
          const nothing = { name: undefined, visibility: undefined, expectedVersion: undefined };
          const groupId = deleting.ids.withinId ?? '';
          await group.beginUpdateGroup({ operationId, groupId, description: 'held', ...nothing });
          return () => group.undo({ operationId });
        };
        return { ...deleting, occupy };
      },
    },
  };
}

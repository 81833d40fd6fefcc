import { randomBytes } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Case, Context, Way } from './sagas.ts';

type Ids = Record<string, string>;
/** A registered member. */
type Existing = (context: Context) => Promise<Ids & { memberId: string }>;
type TreeCommand = Extract<CommandName, `group.${'create' | 'update' | 'move' | 'archive' | 'restore' | 'delete'}`>;

const DAY_MS = 86_400_000;
/** When terms end: never while this runs. */
const UNTIL = '2032-04-01T00:00:00.000Z';
const UPDATE = { action: 'group.update', reach: 'REACH_HERE' as const };
const OPEN: 'VISIBILITY_OPEN' | 'VISIBILITY_REQUEST' = 'VISIBILITY_OPEN';

const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;

/** The sagas of groups themselves, each with a group of its own. */
export function groupWays(existing: Existing): Record<TreeCommand, Way> & Record<string, Way> {
  const of = <C extends TreeCommand>(command: C, input: CommandInput<C>, ids: Ids): Case => {
    return { command, input, ids, aggregateId: input.groupId };
  };

  /** A group, by whom and where it is made. @param given the names of its IDs */
  function groupCase(ids: Ids, { id = 'groupId', parentId = 'root', visibility = OPEN } = {}): Case {
    const [groupId, called] = [newId(), name()];
    const group = { groupId, parentId, name: called, description: 'of the matrix', tags: ['matrix'] };
    const input = { ...group, visibility, creatorId: ids.memberId };
    return of('group.create', input, { ...ids, [id]: groupId, [`${id} name`]: called });
  }

  /** Another registered member. @param called how its IDs are */
  async function other<Name extends string = 'other'>(context: Context, called = 'other' as Name) {
    const { memberId, loginId = '' } = await existing(context);
    return { [`${called}Id`]: memberId, [`${called}Login`]: loginId } as Record<`${Name}Id` | `${Name}Login`, string>;
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

  /** A group with somebody in it, on its way out at a term, one who asks and one who is invited, and with what they hold. */
  async function fullCase(context: Context): Promise<Case> {
    const [leader, member, asking, guest] = [
      await existing(context),
      ...(await Promise.all([other(context), other(context, 'asking'), other(context, 'guest')])),
    ] as const;
    const positionId = newId();
    const all = { ...leader, ...member, ...asking, ...guest, positionId };
    const { ids, groupId } = await made(context, groupCase(all, { visibility: 'VISIBILITY_REQUEST' }));
    const run = <C extends CommandName>(command: C, input: CommandInput<C>): Promise<unknown> =>
      context.run({ command, input, ids, aggregateId: groupId });
    const [by, memberId] = [{ groupId, byMemberId: leader.memberId }, member.otherId];
    await run('group.add-member', { ...by, memberId });
    await run('group.tag', { groupId, memberId, tag: 'matrix', isOn: true });
    await run('position.create', { groupId, positionId, name: 'Keeper', permissions: [UPDATE] });
    await run('position.bind', { ...by, positionId, memberId, until: UNTIL });
    await run('group.request-join', { groupId, memberId: asking.askingId, message: 'of the matrix' });
    await run('group.invite-member', { ...by, memberId: guest.guestId, until: new Date(Date.now() + DAY_MS).toISOString() });
    return of('group.delete', { groupId, cascade: false }, ids);
  }

  async function archiveTreeCase(context: Context): Promise<Case> {
    const { ids, groupId } = await madeTree(context);
    return of('group.archive', { groupId }, ids);
  }

  /** A member on its way into a group, which comes to nothing in the end. */
  function comesIn({ peers }: Context, groupId: string, memberId: string): NonNullable<Case['occupy']> {
    const operationId = `${newId()}/beginChangeMembership`;
    const joining = { groupId, memberId, change: 'MEMBERSHIP_CHANGE_JOIN' as const, reason: '', successorId: undefined };
    return async () => {
      await peers.group.beginChangeMembership({ operationId, ...joining });
      return () => peers.group.undo({ operationId });
    };
  }

  return {
    'group.create': { make: async (context) => groupCase(await existing(context)) },
    'group.create by the system': { make: async () => groupCase({}) },
    'group.create in another group': {
      make: async (context) => {
        const { ids, groupId } = await madeGroup(context);
        return groupCase(ids, { id: 'withinId', parentId: groupId });
      },
      onlyInWhole: true,
    },
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
    // Who came through before comes first.
    'group.update of the visibility while another job brings somebody in': {
      make: async (context) => {
        const { ids, groupId } = await madeGroup(context);
        const another = await other(context);
        const changes = { visibility: 'VISIBILITY_REQUEST' as const };
        const made = of('group.update', { groupId, changes }, { ...ids, ...another });
        return { ...made, occupy: comesIn(context, groupId, another.otherId) };
      },
      onlyInWhole: true,
    },
    'group.move': {
      make: async (context) => {
        const { ids, groupId } = await madeTree(context);
        const to = await made(context, groupCase(ids, { id: 'toId' }));
        return of('group.move', { groupId, parentId: to.groupId, byMemberId: to.ids.memberId ?? '' }, to.ids);
      },
    },
    'group.move of what carries a tag, out of the group whose that is': {
      make: async (context) => {
        const { ids, groupId, withinId } = await madeTree(context);
        const input = { groupId, subgroupId: withinId, tag: 'matrix', isOn: true };
        await context.run({ command: 'group.tag', input, ids, aggregateId: withinId });
        return of('group.move', { groupId: withinId, parentId: 'root', byMemberId: ids.memberId ?? '' }, ids);
      },
      onlyInWhole: true,
    },
    'group.archive': { make: archiveCase },
    'group.archive with a group below it': { make: archiveTreeCase },
    'group.archive while another job brings somebody into a group below it': {
      make: async (context) => {
        const another = await other(context);
        const { ids, ...made } = await archiveTreeCase(context);
        return { ...made, ids: { ...ids, ...another }, occupy: comesIn(context, ids.withinId ?? '', another.otherId) };
      },
      onlyInWhole: true,
    },
    'group.restore': {
      make: async (context) => {
        const archived = await archiveCase(context);
        await context.run(archived);
        return of('group.restore', { groupId: archived.aggregateId }, archived.ids);
      },
    },
    'group.restore with a group below it that stays archived': {
      make: async (context) => {
        const archived = await archiveTreeCase(context);
        await context.run(of('group.archive', { groupId: archived.ids.withinId ?? '' }, archived.ids));
        await context.run(archived);
        return of('group.restore', { groupId: archived.aggregateId }, archived.ids);
      },
    },
    'group.delete': { make: deleteCase },
    'group.delete with all that there can be in it': { make: fullCase, onlyInWhole: true },
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

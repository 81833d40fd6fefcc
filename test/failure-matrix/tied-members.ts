import { randomBytes } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import { defaultPositionId } from '../../services/position/domain.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Case, Context, Way } from './sagas.ts';

type Ids = Record<string, string>;
/** A registered member. */
type Existing = (context: Context) => Promise<Ids & { memberId: string }>;

const DAY_MS = 86_400_000;
/** When terms end: never while this runs. */
const UNTIL = '2032-04-01T00:00:00.000Z';
const UPDATE = { action: 'group.update', reach: 'REACH_HERE' as const };

/**
 * The sagas of members, with one that is something to groups: it leads one alone, holds a position of its own there for a term, and carries a tag in
 * it; it was put out of another one, and asks to be let in again; and to a third one it is invited.
 *
 * @param login begins a session of a member
 */
export function tiedWays(existing: Existing, login: (context: Context, ids: Ids) => Promise<unknown>): Record<string, Way> {
  const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;

  async function tied(context: Context): Promise<Ids & { memberId: string }> {
    const [member, other] = await Promise.all([existing(context), existing(context)]);
    const [memberId, otherId] = [member.memberId, other.memberId];
    const [ledId, askedId, invitedToId, positionId] = [newId(), newId(), newId(), newId()];
    const names = { ledName: name(), askedName: name(), invitedName: name(), positionName: name() };
    const ids: Ids & { memberId: string } = {
      ...{ ...member, otherId, otherLogin: other.loginId ?? '' },
      ...{ ledId, askedId, invitedToId, positionId, leaderPositionId: defaultPositionId(ledId, 'leader'), ...names },
    };
    const run = <C extends CommandName>(command: C, input: CommandInput<C>): Promise<unknown> =>
      context.run({ command, input, ids, aggregateId: ledId });
    const group = (groupId: string, called: string, creatorId: string, visibility: 'VISIBILITY_OPEN' | 'VISIBILITY_REQUEST') => {
      const fields = { parentId: 'root', description: 'of the matrix', tags: ['matrix'] };
      return run('group.create', { ...fields, groupId, name: called, visibility, creatorId });
    };
    const lead = async (): Promise<void> => {
      await group(ledId, names.ledName, memberId, 'VISIBILITY_OPEN');
      await run('group.add-member', { groupId: ledId, memberId: otherId, byMemberId: memberId });
      await run('position.create', { groupId: ledId, positionId, name: names.positionName, permissions: [UPDATE] });
      await run('position.bind', { groupId: ledId, positionId, memberId, byMemberId: memberId, until: UNTIL });
      await run('group.tag', { groupId: ledId, memberId, tag: 'matrix', isOn: true });
    };
    const ask = async (): Promise<void> => {
      const groupId = askedId;
      await group(groupId, names.askedName, otherId, 'VISIBILITY_REQUEST');
      await run('group.add-member', { groupId, memberId, byMemberId: otherId });
      await run('group.expel-member', { groupId, memberId, reason: 'of the matrix', byMemberId: otherId });
      await run('group.request-join', { groupId, memberId, message: 'of the matrix' });
    };
    const beInvited = async (): Promise<void> => {
      await group(invitedToId, names.invitedName, otherId, 'VISIBILITY_OPEN');
      const until = new Date(Date.now() + DAY_MS).toISOString();
      await run('group.invite-member', { groupId: invitedToId, memberId, byMemberId: otherId, until });
    };
    await Promise.all([lead(), ask(), beInvited()]);
    return ids;
  }

  async function suspend(context: Context): Promise<Case> {
    const ids = await tied(context);
    await login(context, ids);
    const { memberId, otherId: byMemberId } = ids;
    return { command: 'member.suspend', input: { memberId, byMemberId, reason: 'on leave' }, ids, aggregateId: memberId };
  }

  return {
    'member.delete of who is something to groups': {
      make: async (context) => {
        const ids = await tied(context);
        return { command: 'member.delete', input: { memberId: ids.memberId }, ids, aggregateId: ids.memberId };
      },
    },
    // It stays all of that.
    'member.suspend of who is something to groups': { make: suspend, onlyInWhole: true },
    'member.reinstate of who is something to groups': {
      make: async (context) => {
        const made = await suspend(context);
        await context.run(made);
        return { ...made, command: 'member.reinstate', input: { memberId: made.aggregateId } };
      },
      onlyInWhole: true,
    },
  };
}

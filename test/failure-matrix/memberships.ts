import { randomBytes } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import { defaultPositionId } from '../../services/position/domain.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Case, Context, Way } from './sagas.ts';

type Ids = Record<string, string>;
/** A registered member. */
type Existing = (context: Context) => Promise<Ids & { memberId: string }>;
type MembershipCommand = Extract<
  CommandName,
  | `group.${'add-member' | 'add-members' | 'leave' | 'expel-member' | 'take-in-members' | 'invite-member'}`
  | `group.${'request-join' | 'approve-request' | 'decline-request' | 'withdraw-request'}`
  | `group.${'accept' | 'decline' | 'withdraw' | 'expire'}-invitation`
>;

const DAY_MS = 86_400_000;
/** When terms end: never while this runs. */
const UNTIL = '2032-04-01T00:00:00.000Z';
const LEAVE = 'MEMBERSHIP_CHANGE_LEAVE' as const;

/**
 * The sagas of memberships, each in a group of its own.
 *
 * @param outside a registered member that is not in the whole organisation, as those of before there were groups
 */
export function membershipWays(existing: Existing, outside: Existing): Record<MembershipCommand, Way> & Record<string, Way> {
  const of = <C extends MembershipCommand>(command: C, input: CommandInput<C>, ids: Ids): Case => {
    return { command, input, ids, aggregateId: ids.memberId ?? 'root' };
  };

  /** A group that one member leads, and another member. */
  async function madeGroup(context: Context, visibility: 'VISIBILITY_OPEN' | 'VISIBILITY_REQUEST' = 'VISIBILITY_OPEN') {
    const leader = await existing(context);
    const ids = { groupId: newId(), groupName: `matrix-${randomBytes(8).toString('hex')}`, leaderId: leader.memberId };
    const group = { groupId: ids.groupId, parentId: 'root', name: ids.groupName, description: 'of the matrix', tags: [] };
    const input = { ...group, visibility, creatorId: leader.memberId };
    await context.run({ command: 'group.create', input, ids, aggregateId: ids.groupId });
    const { memberId, loginId = '' } = await existing(context);
    return { ...ids, leaderLogin: leader.loginId ?? '', memberId, loginId };
  }

  async function addCase(context: Context): Promise<Case> {
    const ids = await madeGroup(context);
    return of('group.add-member', { groupId: ids.groupId, memberId: ids.memberId, byMemberId: ids.leaderId }, ids);
  }

  /** Both are in the group. */
  async function both(context: Context) {
    const added = await addCase(context);
    await context.run(added);
    const { groupId = '', memberId = '', leaderId = '' } = added.ids;
    return { ids: added.ids, groupId, memberId, leaderId };
  }

  /** The one that leads the group alone, until a moment; with the other one in it. */
  async function leadingForATerm(context: Context) {
    const made = await both(context);
    const { groupId, leaderId } = made;
    const positionId = defaultPositionId(groupId, 'leader');
    const input = { groupId, positionId, memberId: leaderId, byMemberId: leaderId, until: UNTIL };
    await context.run({ command: 'position.bind', input, ids: made.ids, aggregateId: groupId });
    return { ...made, ids: { ...made.ids, positionId } };
  }

  async function expelCase(context: Context): Promise<Case> {
    const { ids, groupId, memberId, leaderId } = await both(context);
    return of('group.expel-member', { groupId, memberId, reason: 'of the matrix', byMemberId: leaderId }, ids);
  }

  /** One comes in, one is in it already, and one is none. */
  async function addManyCase(context: Context): Promise<Case> {
    const ids = { ...(await madeGroup(context)), missing: newId() };
    const memberIds = [ids.memberId, ids.leaderId, ids.missing];
    return { command: 'group.add-members', input: { groupId: ids.groupId, memberIds }, ids, aggregateId: ids.groupId };
  }

  async function requestCase(context: Context): Promise<Case> {
    const ids = await madeGroup(context, 'VISIBILITY_REQUEST');
    return of('group.request-join', { groupId: ids.groupId, memberId: ids.memberId, message: 'of the matrix' }, ids);
  }

  async function inviteCase(context: Context) {
    const ids = await madeGroup(context);
    const until = new Date(Date.now() + DAY_MS).toISOString();
    const input = { groupId: ids.groupId, memberId: ids.memberId, byMemberId: ids.leaderId, until };
    return { made: of('group.invite-member', input, ids), until };
  }

  /** A member that has asked. */
  const asked =
    (command: 'group.approve-request' | 'group.decline-request' | 'group.withdraw-request', more: object = {}): Way['make'] =>
    async (context) => {
      const { ids, ...request } = await requestCase(context);
      await context.run({ ids, ...request });
      return of(command, { groupId: ids.groupId ?? '', memberId: ids.memberId ?? '', ...more }, ids);
    };

  /** A member that is invited. */
  const invited =
    (command: `group.${'accept' | 'decline' | 'withdraw' | 'expire'}-invitation`): Way['make'] =>
    async (context) => {
      const { made, until } = await inviteCase(context);
      await context.run(made);
      const { groupId = '', memberId = '' } = made.ids;
      return of(command, { groupId, memberId, until }, made.ids);
    };

  return {
    'group.request-join': { make: requestCase },
    'group.request-join again, of who was put out, asked and was declined': {
      make: async (context) => {
        const { ids, groupId, memberId, leaderId } = await both(context);
        const ofMember = { groupId, memberId };
        const change = { groupId, changes: { visibility: 'VISIBILITY_REQUEST' as const } };
        await context.run({ command: 'group.update', input: change, ids, aggregateId: groupId });
        await context.run(of('group.expel-member', { ...ofMember, reason: 'of the matrix', byMemberId: leaderId }, ids));
        await context.run(of('group.request-join', { ...ofMember, message: 'of the matrix' }, ids));
        await context.run(of('group.decline-request', { ...ofMember, reason: 'of the matrix' }, ids));
        return of('group.request-join', { ...ofMember, message: 'once more' }, ids);
      },
      onlyInWhole: true,
    },
    'group.approve-request': { make: asked('group.approve-request') },
    'group.decline-request': { make: asked('group.decline-request', { reason: 'of the matrix' }) },
    'group.withdraw-request': { make: asked('group.withdraw-request') },
    'group.invite-member': { make: async (context) => (await inviteCase(context)).made },
    'group.accept-invitation': { make: invited('group.accept-invitation') },
    'group.decline-invitation': { make: invited('group.decline-invitation') },
    'group.withdraw-invitation': { make: invited('group.withdraw-invitation') },
    'group.expire-invitation': { make: invited('group.expire-invitation') },
    'group.add-member that ends an invitation': {
      make: async (context) => {
        const { made } = await inviteCase(context);
        await context.run(made);
        const { groupId = '', memberId = '', leaderId = '' } = made.ids;
        return of('group.add-member', { groupId, memberId, byMemberId: leaderId }, made.ids);
      },
    },
    'group.add-members': { make: addManyCase },
    'group.add-members while another job changes a membership': {
      make: async (context) => {
        const { group } = context.peers;
        const made = await addManyCase(context);
        const operationId = `${newId()}/beginChangeMembership`;
        const { groupId = '', memberId = '' } = made.ids;
        const joining = { groupId, memberId, change: 'MEMBERSHIP_CHANGE_JOIN' as const, reason: '', successorId: undefined };
        const occupy = async () => {
          await group.beginChangeMembership({ operationId, ...joining });
          return () => group.undo({ operationId });
        };
        return { ...made, occupy };
      },
    },
    'group.add-member': { make: addCase },
    'group.add-member that joins by itself': {
      make: async (context) => {
        const ids = await madeGroup(context);
        return of('group.add-member', { groupId: ids.groupId, memberId: ids.memberId, byMemberId: ids.memberId }, ids);
      },
    },
    'group.leave': {
      make: async (context) => {
        const { ids, groupId, memberId, leaderId } = await both(context);
        const { loginId = '', leaderLogin = '' } = ids;
        const leader = { memberId: leaderId, loginId: leaderLogin };
        const swapped = { groupId, groupName: ids.groupName ?? '', ...leader, otherId: memberId, otherLogin: loginId };
        return of('group.leave', { groupId, memberId: leaderId, successorId: memberId }, swapped);
      },
    },
    'group.leave of who leads for a term, and hands that on': {
      make: async (context) => {
        const { ids, groupId, memberId, leaderId } = await leadingForATerm(context);
        return of('group.leave', { groupId, memberId: leaderId, successorId: memberId }, ids);
      },
    },
    'group.leave while another job changes what the member is bound to': {
      make: async (context) => {
        const { position } = context.peers;
        const { ids, groupId, memberId } = await both(context);
        const operationId = `${newId()}/beginChangeBindings`;
        const nothing = { bind: [], release: [], releaseAll: true };
        const occupy = async () => {
          await position.beginChangeBindings({ operationId, groupId, memberId, ...nothing });
          return () => position.undo({ operationId });
        };
        return { ...of('group.leave', { groupId, memberId }, ids), occupy };
      },
      onlyInWhole: true,
    },
    'group.add-member of who was put out': {
      make: async (context) => {
        const expelled = await expelCase(context);
        await context.run(expelled);
        const { groupId = '', memberId = '', leaderId = '' } = expelled.ids;
        return of('group.add-member', { groupId, memberId, byMemberId: leaderId }, expelled.ids);
      },
      onlyInWhole: true,
    },
    'group.expel-member': { make: expelCase },
    'group.expel-member of the last leader, whose term ends with that': {
      make: async (context) => {
        const { ids, groupId, memberId, leaderId } = await leadingForATerm(context);
        const expelling = { groupId, memberId: leaderId, reason: 'of the matrix', successorId: memberId };
        return of('group.expel-member', { ...expelling, byMemberId: memberId }, ids);
      },
      onlyInWhole: true,
    },
    'group.expel-member while another job changes the membership': {
      make: async (context) => {
        const { group } = context.peers;
        const made = await expelCase(context);
        const operationId = `${newId()}/beginChangeMembership`;
        const { groupId = '', memberId = '' } = made.ids;
        const leaving = { groupId, memberId, change: LEAVE, reason: '', successorId: undefined };
        const occupy = async () => {
          await group.beginChangeMembership({ operationId, ...leaving });
          return () => group.undo({ operationId });
        };
        return { ...made, occupy };
      },
    },
    // Which leads the group that it is in, alone.
    'member.delete while another job changes a membership': {
      make: async (context) => {
        const { group, position } = context.peers;
        const { ids, groupId, memberId, leaderId } = await both(context);
        const { loginId = '', leaderLogin = '' } = ids;
        const leader = { memberId: leaderId, loginId: leaderLogin };
        const swapped = { groupId, groupName: ids.groupName ?? '', ...leader, otherId: memberId, otherLogin: loginId };
        const jobId = newId();
        const [membership, bindings] = [`${jobId}/beginChangeMembership`, `${jobId}/beginChangeBindings`];
        const leaving = { groupId, memberId: leaderId, successorId: memberId };
        const occupy = async () => {
          await group.beginChangeMembership({ operationId: membership, ...leaving, change: LEAVE, reason: '' });
          await position.beginChangeBindings({ operationId: bindings, ...leaving, bind: [], release: [], releaseAll: true });
          return async () => {
            await position.undo({ operationId: bindings });
            await group.undo({ operationId: membership });
          };
        };
        return { command: 'member.delete', input: { memberId: leaderId }, ids: swapped, aggregateId: leaderId, occupy };
      },
    },
    'group.take-in-members': {
      // Each takes in all that there are, those of others, too.
      make: async (context) => ({
        ...of('group.take-in-members', { groupId: 'root' }, await outside(context)),
        ofOthers: /^musubi_(group|query)\.memberships /,
      }),
    },
  };
}

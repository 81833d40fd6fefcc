import { alreadyExists, failedPrecondition, notFound } from '#platform/errors.ts';
import type { MemberView } from '#proto/musubi/query/v1/query.ts';
import type { CommandStart } from '../worker/client.ts';
import type { CommandInput, CommandName } from '../workflows/commands.ts';
import { applyToTree, isOfTree } from './applied-groups.fixture.ts';
import type { World } from './gateway.fixture.ts';
import { applyPosition, isOfPosition } from './positions.fixture.ts';
import { applyRoom, isOfRoom } from './rooms.fixture.ts';

/** What is known to the services that are played. */
export type State = Omit<World, 'base' | 'gateway' | 'close'>;

const NOT_SUSPENDED = { status: 'ACTIVE', suspendedAt: undefined, suspensionReason: undefined };
const NOTHING_MORE = { attributes: undefined };

export function view(memberId: string, profile: { loginId: string; displayName: string; email: string }): MemberView {
  const now = new Date();
  return {
    memberId,
    ...profile,
    ...NOT_SUSPENDED,
    ...NOTHING_MORE,
    roleIds: ['member'],
    createdAt: now,
    updatedAt: now,
    version: 1,
  };
}

/** What commands of members, groups, positions and rooms do; of roles and policies nothing is played here. */
export function apply({ members, groups, positions, rooms }: State, start: CommandStart): void {
  if (isOfTree(start)) applyToTree({ groups }, start);
  if (isOfPosition(start)) applyPosition({ positions }, start);
  if (isOfRoom(start)) applyRoom({ rooms }, start);
  if (!isOfMember(start)) return;
  const { command, input } = start;
  if ('schemaId' in input || 'holdId' in input) return;
  const member = members.get(input.memberId);
  if ('loginId' in input) {
    const { memberId, loginId, displayName, email } = input;
    if ([...members.values()].some((other) => other.loginId === loginId)) {
      throw alreadyExists('LOGIN_TAKEN', 'taken', { fields: [{ field: 'loginId', code: 'TAKEN', message: 'is taken' }] });
    }
    members.set(memberId, view(memberId, { loginId, displayName, email }));
    return;
  }
  if (!member) throw notFound('MEMBER_NOT_FOUND', 'there is no such member');
  if ('expectedVersion' in input && input.expectedVersion !== undefined && input.expectedVersion !== member.version) {
    throw failedPrecondition('VERSION_MISMATCH', 'changed since');
  }
  if (command === 'member.suspend') {
    const { reason: suspensionReason } = input as CommandInput<'member.suspend'>;
    const suspension = { status: 'SUSPENDED', suspendedAt: new Date(), suspensionReason };
    members.set(input.memberId, { ...member, ...suspension, version: member.version + 1 });
  } else if (command === 'member.reinstate') {
    members.set(input.memberId, { ...member, ...NOT_SUSPENDED, version: member.version + 1 });
  } else if ('changes' in input) {
    const { locale, timeZone, attributes, ...names } = input.changes;
    const kept = { locale: locale ?? undefined, timeZone: timeZone ?? undefined, attributes: attributes ?? undefined };
    members.set(input.memberId, { ...member, ...names, ...kept, version: member.version + 1 });
  } else if (command === 'member.delete') members.delete(input.memberId);
}

type MemberCommand = Extract<CommandName, `member.${string}`>;
const isOfMember = (start: CommandStart): start is CommandStart<MemberCommand> => start.command.startsWith('member.');

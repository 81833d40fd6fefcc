import type { OutboxEvent } from '#platform/operations/postgres.ts';
import { aggregateOf } from '#platform/outbox/event.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import {
  GroupEvent,
  MembershipEvent,
  type Tie as TieMessage,
  type Visibility as VisibilityMessage,
} from '#proto/musubi/group/v1/group.ts';
import type { EventOf } from '../catalogue.ts';
import {
  type Group,
  type GroupChange,
  isFindable,
  type Membership,
  type Tie,
  type Ties,
  tieOf,
  type Visibility,
} from './domain.ts';

type EventType = EventOf<'group'>;

const event = (type: EventType, aggregateId: string, version: number, payload: unknown): OutboxEvent => ({
  aggregateType: aggregateOf(type),
  aggregateId,
  version,
  type,
  payload,
});

/** What a change of a group is called once it is done. */
export const EVENTS = {
  create: 'group.created',
  update: 'group.updated',
  move: 'group.moved',
  archive: 'group.archived',
  restore: 'group.restored',
  'change-tags': 'group.updated',
  tag: 'group.updated',
  delete: 'group.deleted',
} as const satisfies Record<GroupChange['change'], EventType>;

/**
 * The whole state of a group after a change.
 *
 * @param leftParentId the group that it was in before, where it was moved
 */
export function groupEvent(
  type: Exclude<EventType & `group.${string}`, 'group.deleted'>,
  group: Group,
  leftParentId?: string,
): OutboxEvent {
  const { groupId, version, parentId, archivedAt, visibility } = group;
  const state = {
    ...group,
    parentId: parentId ?? undefined,
    archivedAt: archivedAt ?? undefined,
    visibility: toMessage(visibility),
  };
  return event(type, groupId, version, GroupEvent.toJSON({ groupId, version, group: state, leftParentId, wasFindable: false }));
}

/**
 * The end of a group.
 *
 * @param version the one after its last
 * @param was what it was; default: nothing is known of it any more
 */
export function groupDeleted(groupId: string, version: number, was?: Pick<Group, 'parentId' | 'visibility'>): OutboxEvent {
  const left = { leftParentId: was?.parentId ?? undefined, wasFindable: was !== undefined && isFindable(was.visibility) };
  return event('group.deleted', groupId, version, GroupEvent.toJSON({ groupId, version, group: undefined, ...left }));
}

/** By what a membership is named: the aggregate's ID. */
export const membershipId = ({ groupId, memberId }: Pick<Membership, 'groupId' | 'memberId'>): string => `${groupId}.${memberId}`;

/** What an aggregate's ID names. */
export function ofMembershipId(id: string): Pick<Membership, 'groupId' | 'memberId'> {
  const [groupId = '', memberId = ''] = id.split('.', 2);
  return { groupId, memberId };
}

/** What a member is to a group after a change. */
export type Tied = Pick<Membership, 'groupId' | 'memberId' | 'version'> &
  Ties & {
    /** What it was until then; absent: that is not known, or nothing has changed. */
    was?: Tie;
  };

const TIE_MESSAGES = {
  member: 'TIE_MEMBER',
  requested: 'TIE_REQUESTED',
  declined: 'TIE_DECLINED',
  invited: 'TIE_INVITED',
} as const satisfies Record<NonNullable<Tie>, TieMessage>;

export function membershipEvent(tied: Tied): OutboxEvent {
  const { groupId, memberId, version, joinedAt, requestedAt, declinedAt, invitedAt, until, expelledAt } = tied;
  const { tagIds, message, declineReason, inviterId, reason } = tied;
  const membership = joinedAt ? { joinedAt, tagIds: tagIds ?? [] } : undefined;
  const request = requestedAt
    ? { requestedAt, message: message ?? '', declinedAt: declinedAt ?? undefined, declineReason: declineReason ?? '' }
    : undefined;
  const invitation = invitedAt ? { invitedAt, inviterId: inviterId ?? '', until: until ?? undefined } : undefined;
  const expulsion = expelledAt ? { expelledAt, reason: reason ?? '' } : undefined;
  const was: TieMessage = tied.was ? TIE_MESSAGES[tied.was] : 'TIE_UNSPECIFIED';
  const state = { groupId, memberId, version, membership, request, invitation, expulsion, was };
  return event(typeOf(tied), membershipId(state), version, MembershipEvent.toJSON(state));
}

/** Others hear of who goes out of a group, not of whom was not let in: of these the types differ. */
function typeOf(tied: Tied): EventType {
  const is = tieOf(tied);
  if (tied.was === 'member' && is !== 'member') return 'membership.ended';
  switch (is) {
    case 'member':
      return 'membership.changed';
    case 'invited':
      return 'membership.invited';
    case 'requested':
      return 'membership.requested';
    default:
      return 'membership.settled';
  }
}

/** What a caller waits for to see a state in queries. */
export const writtenGroup = (id: string, version: number): AggregateVersion => ({ type: 'group', id, version });
export const writtenMembership = (one: Tied): AggregateVersion => ({
  type: 'membership',
  id: membershipId(one),
  version: one.version,
});

const MESSAGES = {
  open: 'VISIBILITY_OPEN',
  request: 'VISIBILITY_REQUEST',
  invitation: 'VISIBILITY_INVITATION',
} as const satisfies Record<Visibility, VisibilityMessage>;
const VISIBILITIES: Partial<Record<VisibilityMessage, Visibility>> = {
  VISIBILITY_OPEN: 'open',
  VISIBILITY_REQUEST: 'request',
  VISIBILITY_INVITATION: 'invitation',
};

export const toMessage = (visibility: Visibility): VisibilityMessage => MESSAGES[visibility];

/** The visibility that a request carries, as far as it is one: what is none is refused where it is tidied. */
export const fromMessage = (message: VisibilityMessage | undefined): string | undefined =>
  message && (VISIBILITIES[message] ?? message);

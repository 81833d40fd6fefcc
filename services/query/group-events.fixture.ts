import type { EventMessage } from '#platform/kafka/event-message.ts';
import { GroupEvent, type GroupState, MembershipEvent } from '#proto/musubi/group/v1/group.ts';
import { type Binding, BindingsEvent, PositionEvent, type PositionState } from '#proto/musubi/position/v1/position.ts';
import { CREATED, eventMessage } from './events.fixture.ts';

// Events as the group and the position service write them; for tests.

/** `state` undefined: the group is gone. */
export function groupEvent(groupId: string, version: number, state: Partial<GroupState> | undefined): EventMessage {
  const others = { description: '', visibility: 'VISIBILITY_OPEN' as const, tags: [], tagIds: [], archivedAt: undefined };
  const times = { createdAt: CREATED, updatedAt: new Date(CREATED.getTime() + version) };
  const group = state && { parentId: 'root', name: groupId, ...others, ...times, ...state };
  const event = GroupEvent.toJSON({ groupId, version, group, leftParentId: undefined, wasFindable: false });
  return eventMessage('group', state ? 'updated' : 'deleted', groupId, version, event);
}

/** @param tagIds what it carries of the group's own set */
export function membershipEvent(
  groupId: string,
  memberId: string,
  version: number,
  isMember = true,
  tagIds: string[] = [],
  joinedAt = CREATED,
): EventMessage {
  return candidacyEvent(groupId, memberId, version, { membership: isMember ? { joinedAt, tagIds } : undefined });
}

/** @param ties what the member is to the group, besides or in place of being in it */
export function candidacyEvent(
  groupId: string,
  memberId: string,
  version: number,
  ties: Partial<Pick<MembershipEvent, 'membership' | 'request' | 'invitation' | 'expulsion'>>,
): EventMessage {
  const nothing = {
    membership: undefined,
    request: undefined,
    invitation: undefined,
    expulsion: undefined,
    was: 'TIE_UNSPECIFIED' as const,
  };
  const event = MembershipEvent.toJSON({ groupId, memberId, version, ...nothing, ...ties });
  const type = ties.membership ? 'changed' : ties.invitation ? 'invited' : ties.request ? 'requested' : 'ended';
  return eventMessage('membership', type, `${groupId}.${memberId}`, version, event);
}

/** @param bound all that the member is bound to: positions, or these with when it ends */
export function bindingsEvent(
  groupId: string,
  memberId: string,
  version: number,
  bound: readonly (string | Pick<Binding, 'positionId' | 'until'>)[],
): EventMessage {
  const bindings = bound.map((one) => ({
    boundAt: CREATED,
    ...(typeof one === 'string' ? { positionId: one, until: undefined } : one),
  }));
  const event = BindingsEvent.toJSON({ groupId, memberId, version, bindings });
  return eventMessage('bindings', 'changed', `${groupId}.${memberId}`, version, event);
}

/** `state` undefined: the position is gone. */
export function positionEvent(positionId: string, version: number, state: Partial<PositionState> | undefined): EventMessage {
  const others = { kind: 'POSITION_KIND_UNSPECIFIED' as const, permissions: [], createdAt: CREATED, updatedAt: CREATED };
  const position = state && { groupId: 'root', name: positionId, ...others, ...state };
  const event = PositionEvent.toJSON({ positionId, version, position, groupId: position?.groupId ?? '' });
  return eventMessage('position', state ? 'updated' : 'deleted', positionId, version, event);
}

import type { OutboxEvent } from '#platform/operations/postgres.ts';
import { aggregateOf } from '#platform/outbox/event.ts';
import type { Permission } from '#platform/validation/position-fields.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import {
  BindingsEvent,
  type Grant,
  type Permission as PermissionMessage,
  PositionEvent,
  PositionKind,
  Reach,
} from '#proto/musubi/position/v1/position.ts';
import type { EventOf } from '../catalogue.ts';
import { bindingsId } from './bindings.ts';
import type { Bindings, Kind, Position } from './domain.ts';

const event = (type: EventOf<'position'>, aggregateId: string, version: number, payload: unknown): OutboxEvent => ({
  aggregateType: aggregateOf(type),
  aggregateId,
  version,
  type,
  payload,
});

const KINDS: Readonly<Record<Kind, PositionKind>> = {
  member: PositionKind.POSITION_KIND_MEMBER,
  leader: PositionKind.POSITION_KIND_LEADER,
};

/** What a position is, and permits, as it is told. */
const told = ({ kind, permissions }: Pick<Position, 'kind' | 'permissions'>) => ({
  kind: kind ? KINDS[kind] : PositionKind.POSITION_KIND_UNSPECIFIED,
  permissions: permissions.map(({ action, reach }) => ({
    action,
    reach: reach === 'subtree' ? Reach.REACH_SUBTREE : Reach.REACH_HERE,
  })),
});

const REACHES: Partial<Record<Reach, Permission['reach']>> = { REACH_HERE: 'here', REACH_SUBTREE: 'subtree' };

/** The permissions that a request carries, as far as they are some: what breaks a rule is refused where it is tidied. */
export const fromMessages = (permissions: readonly PermissionMessage[] | undefined) =>
  permissions?.map(({ action, reach }) => ({
    action,
    reach: reach === 'REACH_UNSPECIFIED' ? undefined : (REACHES[reach] ?? reach),
  }));

/** A position as Auth keeps it. */
export const grantOf = (position: Pick<Position, 'positionId' | 'kind' | 'permissions'>): Grant => ({
  positionId: position.positionId,
  ...told(position),
});

/** The whole state of a position after a change. */
export function positionEvent(type: 'position.created' | 'position.updated', position: Position): OutboxEvent {
  const { positionId, version } = position;
  return event(
    type,
    positionId,
    version,
    PositionEvent.toJSON({ positionId, version, position: { ...position, ...told(position) }, groupId: position.groupId }),
  );
}

/**
 * The end of a position.
 *
 * @param version the one after its last
 * @param groupId the group that it was in; default: nothing is known of it any more
 */
export const positionDeleted = (positionId: string, version: number, groupId = ''): OutboxEvent =>
  event('position.deleted', positionId, version, PositionEvent.toJSON({ positionId, version, position: undefined, groupId }));

/** All that a member is bound to in a group, after a change. */
export function bindingsEvent(after: Bindings): OutboxEvent {
  const bindings = after.bindings.map((binding) => ({ ...binding, until: binding.until ?? undefined }));
  return event('bindings.changed', bindingsId(after), after.version, BindingsEvent.toJSON({ ...after, bindings }));
}

/** What a caller waits for to see a state in queries. */
export const writtenPosition = (id: string, version: number): AggregateVersion => ({ type: 'position', id, version });
export const writtenBindings = (after: Bindings): AggregateVersion => ({
  type: 'bindings',
  id: bindingsId(after),
  version: after.version,
});

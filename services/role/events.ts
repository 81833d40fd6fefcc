import type { OutboxEvent } from '#platform/operations/postgres.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { MemberRolesEvent } from '#proto/musubi/role/v1/role.ts';
import type { EventOf } from '../catalogue.ts';

const AGGREGATE = 'member-roles';

/** Every role that a member holds after a change. */
export interface MemberRoles {
  memberId: string;
  version: number;
  roleIds: string[];
}

export function memberRolesEvent(type: EventOf<'role'>, after: MemberRoles): OutboxEvent {
  return {
    aggregateType: AGGREGATE,
    aggregateId: after.memberId,
    version: after.version,
    type,
    payload: MemberRolesEvent.toJSON(after),
  };
}

/** What a caller waits for to see this state in queries. */
export const writtenVersion = ({ memberId, version }: MemberRoles): AggregateVersion => ({
  type: AGGREGATE,
  id: memberId,
  version,
});

import type { OutboxEvent } from '#platform/operations/postgres.ts';
import { nullsAbsent } from '#platform/postgres/database.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { MemberEvent, type Member as MemberMessage, MemberSchemaEvent } from '#proto/musubi/member/v1/member.ts';
import type { EventOf } from '../catalogue.ts';
import type { Member } from './domain.ts';
import type { Schema } from './schema-store.ts';

const AGGREGATE = 'member';

/** What happened to a member. */
type MemberEventType = Exclude<EventOf<'member'>, `member-schema.${string}`>;

const SCHEMA = 'member-schema';

/** Tells others the whole state after a change. */
export function memberEvent(type: Exclude<MemberEventType, 'member.deleted' | 'member.erased'>, member: Member): OutboxEvent {
  return event(type, member.memberId, member.version, toMessage(member));
}

/** Tells others that the member is gone. `version` is the one after its last. */
export const deletedEvent = (memberId: string, version: number): OutboxEvent =>
  event('member.deleted', memberId, version, undefined);

/** Has Kafka forget what it has of a member that is gone. `version` is the one after that of its deletion. */
export const erasedEvent = (memberId: string, version: number): OutboxEvent => ({
  aggregateType: AGGREGATE,
  aggregateId: memberId,
  version,
  type: 'member.erased' satisfies MemberEventType,
  payload: null,
});

/** What a caller waits for to see this state in queries. */
export const writtenVersion = ({ memberId, version }: Pick<Member, 'memberId' | 'version'>): AggregateVersion => ({
  type: AGGREGATE,
  id: memberId,
  version,
});

function event(type: MemberEventType, memberId: string, version: number, member: MemberMessage | undefined): OutboxEvent {
  return {
    aggregateType: AGGREGATE,
    aggregateId: memberId,
    version,
    type,
    payload: MemberEvent.toJSON({ memberId, version, member }),
  };
}

/** Tells others what members' attributes must be from now on. */
export const schemaEvent = ({ id, schema, version, updatedAt }: Schema): OutboxEvent => ({
  aggregateType: SCHEMA,
  aggregateId: id,
  version,
  type: 'member-schema.updated' satisfies EventOf<'member'>,
  payload: MemberSchemaEvent.toJSON({ schemaId: id, schema, version, updatedAt }),
});

export const writtenSchema = ({ id, version }: Schema): AggregateVersion => ({ type: SCHEMA, id, version });

const toMessage = (member: Member): MemberMessage => ({ ...nullsAbsent(member), status: `MEMBER_STATUS_${member.status}` });

import type { OutboxEvent } from '#platform/operations/postgres.ts';
import { aggregateOf } from '#platform/outbox/event.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import {
  type Effect,
  MemberRolesEvent,
  PolicyEvent,
  RoleEvent,
  type SimplePolicy as SimplePolicyMessage,
} from '#proto/musubi/role/v1/role.ts';
import type { EventOf } from '../catalogue.ts';
import type { Policy, Role, SimplePolicy } from './domain.ts';

/** Every role that a member holds after a change. */
export interface MemberRoles {
  memberId: string;
  version: number;
  roleIds: string[];
}

type EventType = EventOf<'role'>;

const event = (type: EventType, aggregateId: string, version: number, payload: unknown): OutboxEvent => ({
  aggregateType: aggregateOf(type),
  aggregateId,
  version,
  type,
  payload,
});

export const memberRolesEvent = (type: EventType & `member-roles.${string}`, after: MemberRoles): OutboxEvent =>
  event(type, after.memberId, after.version, MemberRolesEvent.toJSON(after));

/** The whole state of a role after a change. */
export const roleEvent = (type: 'role.created' | 'role.updated', role: Role): OutboxEvent =>
  event(type, role.roleId, role.version, RoleEvent.toJSON({ roleId: role.roleId, version: role.version, role }));

/** The end of a role. @param version the one after its last */
export const roleDeleted = (roleId: string, version: number): OutboxEvent =>
  event('role.deleted', roleId, version, RoleEvent.toJSON({ roleId, version, role: undefined }));

/** The whole state of a policy after a change. */
export function policyEvent(type: 'policy.created' | 'policy.updated', policy: Policy): OutboxEvent {
  const { policyId, version, simple } = policy;
  const state = { ...policy, simple: simple ? simpleMessage(simple) : undefined };
  return event(type, policyId, version, PolicyEvent.toJSON({ policyId, version, policy: state }));
}

/** The end of a policy. @param version the one after its last */
export const policyDeleted = (policyId: string, version: number): OutboxEvent =>
  event('policy.deleted', policyId, version, PolicyEvent.toJSON({ policyId, version, policy: undefined }));

/** What a caller waits for to see a state in queries. */
export const writtenRoles = ({ memberId: id, version }: MemberRoles): AggregateVersion => ({ type: 'member-roles', id, version });
export const writtenRole = (id: string, version: number): AggregateVersion => ({ type: 'role', id, version });
export const writtenPolicy = (id: string, version: number): AggregateVersion => ({ type: 'policy', id, version });

const simpleMessage = ({ effect, ...simple }: SimplePolicy): SimplePolicyMessage => ({
  ...simple,
  effect: effect === 'allow' ? 'EFFECT_ALLOW' : 'EFFECT_DENY',
});

const EFFECTS: Partial<Record<Effect, SimplePolicy['effect']>> = { EFFECT_ALLOW: 'allow', EFFECT_DENY: 'deny' };

/** The simple form that a request carries, as far as it is one: what breaks a rule is refused where it is tidied. */
export const fromMessage = (simple: SimplePolicyMessage | undefined): SimplePolicy | undefined =>
  simple && { ...simple, effect: EFFECTS[simple.effect] as SimplePolicy['effect'] };

import { randomUUID } from 'node:crypto';
import type { EventMessage } from '#platform/kafka/event-message.ts';
import { MemberEvent } from '#proto/musubi/member/v1/member.ts';
import { MemberRolesEvent, PolicyEvent, RoleEvent, type SimplePolicy } from '#proto/musubi/role/v1/role.ts';

/** Events as the member and the role service write them; for tests. */
export interface SampleMember {
  loginId: string;
  displayName: string;
  email: string;
  status: 'PENDING' | 'ACTIVE' | 'UPDATING' | 'DELETING' | 'SUSPENDED';
  suspendedAt: Date | undefined;
  suspensionReason: string | undefined;
  locale: string | undefined;
  timeZone: string | undefined;
  attributes: Record<string, unknown> | undefined;
}

export const CREATED = new Date('2026-01-02T03:04:05.678Z');

/** `state` undefined: the member is gone. The time of change is `version` milliseconds after the creation. */
export function memberEvent(memberId: string, version: number, state: Partial<SampleMember> | undefined): EventMessage {
  const { status = 'ACTIVE', ...given } = state ?? {};
  const profile = { loginId: 'alice', displayName: 'Alice', email: 'alice@example.com' };
  const suspension = { suspendedAt: undefined, suspensionReason: undefined, attributes: undefined };
  const updatedAt = new Date(CREATED.getTime() + version);
  const member = state && {
    memberId,
    ...profile,
    ...suspension,
    ...given,
    status: `MEMBER_STATUS_${status}` as const,
    createdAt: CREATED,
    updatedAt,
  };
  return eventMessage(
    'member',
    state ? 'updated' : 'deleted',
    memberId,
    version,
    MemberEvent.toJSON({ memberId, version, member }),
  );
}

export function memberRolesEvent(memberId: string, version: number, roleIds: string[]): EventMessage {
  return eventMessage('member-roles', 'assigned', memberId, version, MemberRolesEvent.toJSON({ memberId, version, roleIds }));
}

/** An event with any data at all. */
export function eventMessage(aggregate: string, type: string, subject: string, version: number, data: unknown): EventMessage {
  return {
    topic: `${aggregate}.events`,
    partition: 0,
    offset: '0',
    id: randomUUID(),
    type: `${aggregate}.${type}`,
    source: '/musubi/test',
    time: new Date(),
    subject,
    version,
    data,
  };
}

/** `name` undefined: the role is gone. */
export function roleEvent(roleId: string, version: number, name: string | undefined, policyIds: string[] = []): EventMessage {
  const state = { description: `what ${name} may`, builtIn: false, policyIds, createdAt: CREATED, updatedAt: CREATED };
  const role = name === undefined ? undefined : { name, ...state };
  return eventMessage('role', role ? 'updated' : 'deleted', roleId, version, RoleEvent.toJSON({ roleId, version, role }));
}

/** `name` undefined: the policy is gone. */
export function policyEvent(policyId: string, version: number, name: string | undefined, simple?: SimplePolicy): EventMessage {
  const state = {
    cedar: 'permit (principal, action, resource);',
    simple,
    builtIn: false,
    createdAt: CREATED,
    updatedAt: CREATED,
  };
  const policy = name === undefined ? undefined : { name, ...state };
  return eventMessage(
    'policy',
    policy ? 'updated' : 'deleted',
    policyId,
    version,
    PolicyEvent.toJSON({ policyId, version, policy }),
  );
}

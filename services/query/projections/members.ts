import { z } from 'zod';
import { foldText } from '../domain.ts';
import { defineProjection } from './projection.ts';

/** Fields with their default value are absent in proto3 JSON. */
const text = z.string().default('');
const time = z.iso.datetime({ offset: true });

/** Events of earlier releases have a lock in the place of the status. */
const STATUSES: Readonly<Record<string, string>> = { MEMBER_STATUS_UPDATING: 'ACTIVE', MEMBER_STATUS_DELETING: 'ACTIVE' };

/** member.events → members. A member that is PENDING is kept, but not shown. */
export const members = defineProjection({
  aggregateType: 'member',
  table: 'members',
  payload: {
    member: z
      .object({
        loginId: text,
        displayName: text,
        email: text,
        // Any: a status of a newer release is one of a member that is there.
        status: text,
        createdAt: time,
        updatedAt: time,
        suspendedAt: time.optional(),
        suspensionReason: z.string().optional(),
      })
      .optional(),
  },
  columns: {
    visible: 'boolean',
    login_id: 'text',
    display_name: 'text',
    email: 'text',
    search: 'text',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
    status: 'text',
    suspended_at: 'timestamptz',
    suspension_reason: 'text',
  },
  row: ({ member }) =>
    member && {
      visible: member.status !== 'MEMBER_STATUS_PENDING',
      login_id: member.loginId,
      display_name: member.displayName,
      email: member.email,
      search: foldText([member.displayName, member.loginId, member.email].join('\n')),
      created_at: member.createdAt,
      updated_at: member.updatedAt,
      status: STATUSES[member.status] ?? member.status.replace('MEMBER_STATUS_', ''),
      suspended_at: member.suspendedAt,
      suspension_reason: member.suspensionReason,
    },
});

import { z } from 'zod';
import { skeleton } from '#platform/validation/skeleton.ts';
import { searchText } from '../domain.ts';
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
        locale: z.string().optional(),
        timeZone: z.string().optional(),
        attributes: z.record(z.string(), z.unknown()).default({}),
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
    locale: 'text',
    time_zone: 'text',
    attributes: 'jsonb',
    display_skeleton: 'text',
    login_skeleton: 'text',
  },
  row: ({ member }) =>
    member && {
      visible: member.status !== 'MEMBER_STATUS_PENDING',
      login_id: member.loginId,
      display_name: member.displayName,
      email: member.email,
      search: searchText([member.displayName, member.loginId, member.email]),
      created_at: member.createdAt,
      updated_at: member.updatedAt,
      status: STATUSES[member.status] ?? member.status.replace('MEMBER_STATUS_', ''),
      suspended_at: member.suspendedAt,
      suspension_reason: member.suspensionReason,
      locale: member.locale,
      time_zone: member.timeZone,
      attributes: member.attributes,
      ...skeletonsOf(member),
    },
});

/** By which names that look alike are found. */
export const skeletonsOf = ({ displayName, loginId }: { displayName: string; loginId: string }) => ({
  display_skeleton: skeleton(displayName),
  login_skeleton: skeleton(loginId),
});

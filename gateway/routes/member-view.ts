import { z } from 'zod';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { MemberStatus } from '#proto/musubi/member/v1/member.ts';
import type { MemberView } from '#proto/musubi/query/v1/query.ts';
import type { RequestGateway } from '../gateway.ts';
import { pageSchema } from '../http/paging.ts';
import { EXAMPLE_ID } from '../id.ts';
import { iso } from './time.ts';

// How a member is shown.

export const memberSchema = z
  .strictObject({
    id: z.uuid(),
    loginId: z.string(),
    displayName: z.string(),
    email: z.string(),
    status: z.enum(['active', 'suspended', 'unknown']).meta({
      description: 'suspended: it can not log in. unknown: what a newer release says of it has no word here',
    }),
    suspendedAt: z.iso.datetime().optional().meta({ description: 'Since when it is suspended; absent: it is not' }),
    suspensionReason: z.string().optional().meta({
      description: 'Why it is suspended. Absent where nobody said, and to those who may not suspend it',
    }),
    locale: z.string().optional().meta({ description: 'A language tag (BCP 47); absent: it says none' }),
    timeZone: z.string().optional().meta({ description: 'The name of a time zone (IANA); absent: it says none' }),
    attributes: z.record(z.string(), z.unknown()).meta({ description: 'What the schema at /v1/member-schema has' }),
    roleIds: z.array(z.string()),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({
    id: 'Member',
    examples: [
      {
        id: EXAMPLE_ID,
        loginId: 'hanako',
        displayName: '花子',
        email: 'hanako@example.com',
        status: 'active',
        locale: 'ja-JP',
        timeZone: 'Asia/Tokyo',
        attributes: { department: 'R&D' },
        roleIds: ['member'],
        createdAt: '2026-11-25T09:30:00.000Z',
        updatedAt: '2026-11-25T09:30:00.000Z',
      },
      {
        id: '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40',
        loginId: 'taro',
        displayName: '太郎',
        email: 'taro@example.com',
        status: 'suspended',
        suspendedAt: '2026-11-26T08:00:00.000Z',
        suspensionReason: 'On leave until April',
        attributes: {},
        roleIds: ['member'],
        createdAt: '2026-11-25T10:15:00.000Z',
        updatedAt: '2026-11-26T08:00:00.000Z',
      },
    ],
  });

export const memberPageSchema = pageSchema(memberSchema, 'MemberPage');

/** A member as Auth is asked about it. */
export const member = (id: string) => ({ type: 'Member', id });

type Shown = z.output<typeof memberSchema>;

/** Members as the member of the token sees them: why one is suspended is for those who may suspend it. */
export async function shownTo(accessToken: string, { auth }: RequestGateway, members: readonly MemberView[]): Promise<Shown[]> {
  const reasoned = members.filter(({ suspensionReason }) => suspensionReason !== undefined).map(({ memberId }) => memberId);
  if (reasoned.length === 0) return members.map((each) => shown(each));
  const checks = reasoned.map((id) => ({ action: 'member.suspend' satisfies Action, resource: { ...member(id), ownerId: '' } }));
  const { allowed } = await auth.check({ accessToken, checks });
  const mayKnow = new Set(reasoned.filter((_, index) => allowed[index]));
  return members.map((each) => shown(each, mayKnow.has(each.memberId)));
}

/** Every status of Member's contract; a newer release may have others. */
const STATUSES: Readonly<Record<StatusWord, Shown['status']>> = {
  UNSPECIFIED: 'unknown',
  PENDING: 'unknown', // queries do not show it
  // What these were, is a lock now.
  UPDATING: 'active',
  DELETING: 'active',
  ACTIVE: 'active',
  SUSPENDED: 'suspended',
};
type StatusWord = Exclude<MemberStatus, 'UNRECOGNIZED' | -1> extends `MEMBER_STATUS_${infer Word}` ? Word : never;

function shown(member: MemberView, withReason = false): Shown {
  const { memberId, loginId, displayName, email, status, suspendedAt, suspensionReason, locale, timeZone, attributes } = member;
  const { roleIds, createdAt, updatedAt } = member;
  return {
    id: memberId,
    loginId,
    displayName,
    email,
    status: STATUSES[status as StatusWord] ?? 'unknown',
    ...(suspendedAt ? { suspendedAt: iso(suspendedAt) } : {}),
    ...(withReason ? { suspensionReason } : {}),
    ...(locale ? { locale } : {}),
    ...(timeZone ? { timeZone } : {}),
    attributes: attributes ?? {},
    roleIds,
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  };
}
